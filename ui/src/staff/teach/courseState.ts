//! Words and marks of the states of a course.
import { s } from "../messages.svelte";
import type { StaffCourse } from "../types";

export type MarkKind = "good" | "wait" | "";

/** Returns the word for the state that learners see, and the mark beside it. */
export function stateMark(course: StaffCourse): { text: string; mark: MarkKind } {
  const marks: Record<StaffCourse["state"], MarkKind> = {
    draft: "wait",
    review: "wait",
    published: "good",
    withdrawn: "",
    archived: "",
  };
  return { text: s(`state.${course.state}`), mark: marks[course.state] };
}
/** Returns the word for an unpublished version of a course that is published; undefined if there is none. */
export function draftMark(course: StaffCourse): string | undefined {
  if (!course.draft || course.state === "draft" || course.state === "review") return undefined;
  return s(course.draftState === "review" ? "draft.review" : "draft.new");
}
