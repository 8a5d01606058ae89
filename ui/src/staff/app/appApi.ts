//! Requests of the app: commands of the core, which use the session of the open account and its cache.
import { api as commands } from "../../api/client";
import type { StaffResult } from "../../api/types";
import { uploadFile } from "../../platform/upload";
import type { Method, StaffApi, StaffUser } from "../api";

const valueOf = <Value>(result: StaffResult): Value => (result.text ?? result.json) as Value;

/** The local copy of a file is made first; it is the smaller part of sending it. */
const COPY_SHARE = 0.2;

export function appApi(user: StaffUser): StaffApi {
  return {
    user,
    keepsReplies: true,
    async get(path) {
      const result = await commands.staffGet({ path });
      return { value: valueOf(result), asOfMs: result.asOfMs, isStored: result.isStored };
    },
    async getText(path) {
      const reply = await commands.staffGet({ path });
      return reply.text ?? JSON.stringify(reply.json, null, 2);
    },
    async send(method: Method, path, body) {
      const result = await commands.staffSend({
        method,
        path,
        ...(body === undefined ? {} : { body: JSON.stringify(body), contentType: "application/json" }),
      });
      return valueOf(result);
    },
    async sendFile(path, file, contentType, onProgress, signal) {
      const { path: copy } = await uploadFile(file, (fraction) => onProgress(fraction * COPY_SHARE), signal);
      const result = await commands.staffSend({ method: "POST", path, contentType, file: copy });
      onProgress(1);
      return valueOf(result);
    },
  };
}
