//! Uploads a chosen or dropped file to the core. Streams it from disk; does not hold it in memory.
import { api } from "../api/client";
import { asFailure } from "./failure";

export interface UploadedFile {
  /** Path of the core's copy. */
  path: string;
  bytes: number;
}

/** Uploads `file`. Calls `onProgress` with the fraction that was sent (0 to 1). Rejects with `CommandFailure`. */
export async function uploadFile(
  file: File,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<UploadedFile> {
  const { url } = await api.getUploadUrl();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    // The extension decides how the file is read.
    request.open("PUT", `${url}?name=${encodeURIComponent(file.name)}`);
    request.responseType = "json";
    request.upload.onprogress = (e) => e.lengthComputable && onProgress(e.loaded / e.total);
    request.onload = () => {
      if (request.status === 200) return resolve(request.response as UploadedFile);
      reject(
        asFailure(`upload failed with status ${request.status}`, request.status === 507 ? "disk_full" : "storage"),
      );
    };
    request.onerror = () => reject(asFailure("upload failed", "storage"));
    request.onabort = () => reject(asFailure("upload cancelled", "cancelled"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}
