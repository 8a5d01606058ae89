// Writes a zip archive whose files are not compressed.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const table = Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});
const crc32 = (bytes) => (bytes.reduce((crc, byte) => table[(crc ^ byte) & 0xff] ^ (crc >>> 8), -1) ^ -1) >>> 0;

function header(signature, fields) {
  const out = Buffer.alloc(4 + fields.reduce((sum, [size]) => sum + size, 0));
  out.writeUInt32LE(signature);
  let at = 4;
  for (const [size, value] of fields) {
    if (size === 2) out.writeUInt16LE(value, at);
    else out.writeUInt32LE(value, at);
    at += size;
  }
  return out;
}

/** Returns the archive of a folder. */
export function zipOf(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const [parts, directory] = [[], []];
  let offset = 0;
  for (const entry of files) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const name = Buffer.from(path.slice(folder.length + 1).replaceAll("\\", "/"));
    const bytes = readFileSync(path);
    // Version, flags, method, time, date, checksum, sizes, length of the name, of extra data.
    const facts = [
      [2, 20],
      [2, 0x0800],
      [2, 0],
      [2, 0],
      [2, 0x21],
      [4, crc32(bytes)],
      [4, bytes.length],
      [4, bytes.length],
      [2, name.length],
      [2, 0],
    ];
    const local = Buffer.concat([header(0x04034b50, facts), name, bytes]);
    const more = [[2, 20], ...facts, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]];
    directory.push(header(0x02014b50, more), name);
    parts.push(local);
    offset += local.length;
  }
  const list = Buffer.concat(directory);
  const end = header(0x06054b50, [
    [2, 0],
    [2, 0],
    [2, files.length],
    [2, files.length],
    [4, list.length],
    [4, offset],
    [2, 0],
  ]);
  return Buffer.concat([...parts, list, end]);
}
