//! A file that a person chose or dropped goes to the core: streamed from the disk, whatever its size, without passing through memory.
import { api } from "../api/client";
import { asFailure } from "./failure";

export interface UploadedFile {
  /** Where the core has it now. */
  path: string;
  bytes: number;
}

/** Hands the file over. `moved` is told how much of it went (0 to 1). */
export async function uploadFile(
  file: File,
  moved: (share: number) => void,
  signal: AbortSignal,
): Promise<UploadedFile> {
  const { url } = await api.openSlot();
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    request.responseType = "json";
    request.upload.onprogress = (e) => e.lengthComputable && moved(e.loaded / e.total);
    request.onload = () => {
      if (request.status === 200) return done(request.response as UploadedFile);
      fail(asFailure(`the core answered ${request.status}`, request.status === 507 ? "disk_full" : "storage"));
    };
    request.onerror = () => fail(asFailure("the file could not be handed over", "storage"));
    request.onabort = () => fail(asFailure("stopped", "cancelled"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}
