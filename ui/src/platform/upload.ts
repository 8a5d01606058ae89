//! Uploads a chosen or dropped file to the core. Streams it from disk; does not hold it in memory.
import { api } from "../api/client";
import { asFailure } from "./failure";

export interface UploadedFile {
  /** The core's copy of the file. */
  path: string;
  bytes: number;
}

/** Uploads `file`. Calls `moved` with the share that was sent (0 to 1). Rejects with `CommandFailure`. */
export async function uploadFile(
  file: File,
  onProgress: (share: number) => void,
  signal: AbortSignal,
): Promise<UploadedFile> {
  const { url } = await api.getUploadUrl();
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", url);
    request.responseType = "json";
    request.upload.onprogress = (e) => e.lengthComputable && onProgress(e.loaded / e.total);
    request.onload = () => {
      if (request.status === 200) return resolve(request.response as UploadedFile);
      reject(
        asFailure(`upload failed with status ${request.status}`, request.status === 507 ? "disk_full" : "storage"),
      );
    };
    request.onerror = () => reject(asFailure("the file could not be uploaded", "storage"));
    request.onabort = () => reject(asFailure("upload cancelled", "cancelled"));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(file);
  });
}
