//! Exports: the server writes a file as a job; it is saved when it is finished.
import { asFailure } from "../platform/failure";
import { staffApi } from "./api";
import { poll } from "./load.svelte";
import { saveText } from "./save";
import type { ExportJob } from "./types";

/** Starts an export by a POST request to `path`, waits until it is finished, and returns its text. */
export async function exported(path: string, body: Record<string, string>, signal: AbortSignal): Promise<string> {
  const api = staffApi();
  const { id } = await api.send<ExportJob>("POST", path, body);
  const isDone = (job: ExportJob): boolean => !["waiting", "running"].includes(job.state);
  const job = await poll<ExportJob>(`/api/exports/${id}`, isDone, () => undefined, signal);
  if (job.state !== "finished") throw asFailure(`the export is ${job.state}`, "unavailable");
  return api.getText(`/api/exports/${id}/file`);
}

/** Saves a text under `name` with the date of today. Returns the name of the file. */
export function saveExport(name: string, extension: string, mediaType: string, text: string): string {
  const file = `carrel-${name}-${new Date().toISOString().slice(0, 10)}.${extension}`;
  saveText(file, mediaType, text);
  return file;
}
