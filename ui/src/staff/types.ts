//! Replies of the server for staff, as docs/API.md describes them.

import type { RowType } from "../api/types";

export type Rank = "student" | "instructor" | "administrator" | "operator";
export type PersonState = "active" | "suspended" | "left";

export interface ClassSummary {
  id: string;
  name: string;
  sourceId: string | null;
  courses: string[];
  archived: boolean;
  students: number;
}

/** An enrolment code of a class or a course. */
export interface EnrolmentToken {
  name: string;
  code: string;
  expiresMs: number;
}
/** A one-time code of a person. */
export interface PersonCode {
  login: string;
  name: string;
  code: string;
  expiresMs: number;
}
export interface Invited {
  invited: number;
  withoutAddress: number;
}

export type CourseState = "draft" | "review" | "published" | "withdrawn" | "archived";
export type EnrolmentPolicy = "open" | "code" | "approval" | "assigned";
export interface StaffCourse {
  id: string;
  title: string;
  state: CourseState;
  draft: string | null;
  draftState: CourseState | null;
  owner: string | null;
  forClasses: boolean;
  enrolment: EnrolmentPolicy;
  changedMs: number;
}
export interface CourseVersion {
  version: string;
  createdMs: number;
  author: string | null;
  notes: string;
  publishedMs: number;
  published: boolean;
  kept: boolean;
}
export interface CourseWithVersions extends StaffCourse {
  versions: CourseVersion[];
}
export interface EnrolmentRequest {
  user: string;
  login: string;
  name: string;
  requestedMs: number;
}

/** A finding of the compiler (docs/PACKAGE.md). */
export interface Finding {
  file: string;
  line: number | null;
  severity: "error" | "warning";
  code: string;
  message: string;
  hint: string;
}
export interface Upload {
  id: string;
  name: string;
  createdMs: number;
  state: "waiting" | "running" | "finished" | "failed" | "cancelled";
  progress: number;
  course: string | null;
  story: string | null;
  report: {
    packages: { title: string | null; problems: Finding[] }[];
    totals: { errors: number; warnings: number };
  } | null;
  problem: { detail: string; hint: string } | null;
}

export type Period = "7d" | "30d" | "90d" | "1y";
export type Activity = "active" | "recent" | "inactive" | "dormant";
export interface Engagement {
  learners: number;
  active: number;
  recent: number;
  inactive: number;
  dormant: number;
}
/** What every report states about its figures. */
export interface ReportHead {
  period: Period;
  from: string;
  to: string;
  timeZone: string;
  asOf: number;
  devices: { heard: number; total: number; since: number };
  changedSince: { day: string; changedMs: number; learners: number }[];
}
export interface LearnerLine {
  id: string;
  login: string;
  name: string;
  enrolled: number;
  completed: number;
  meanProgress?: number;
  timeMs: number;
  sections: number;
  activeDays: number;
  meanScore?: number;
  lastDay?: string;
  group: Activity;
}
export interface ClassReport extends ReportHead {
  class: string;
  name: string;
  engagement: Engagement;
  learners: LearnerLine[];
}
export interface SectionLine {
  id: string;
  title: string;
  finished: number;
  stoppedAfter: number;
}
export interface QuestionLine {
  quiz: string;
  question: string;
  attempts: number;
  answered: number;
  right: number;
  meanScore: number;
}
export interface CourseReport extends ReportHead {
  course: string;
  title: string;
  completion: {
    enrolled: number;
    active: number;
    completed: number;
    completedInPeriod: number;
    meanTimeMs?: number;
    meanTimeCompletedMs?: number;
    meanProgress?: number;
    meanScore?: number;
  };
  sections: SectionLine[];
  questions: QuestionLine[];
}
export interface TrendDay {
  day?: string;
  activeLearners: number;
  timeMs: number;
  sections: number;
  lessons: number;
  attempts: number;
  meanScore?: number;
}
export interface TrendsReport extends ReportHead {
  learners: number;
  total: TrendDay;
  days: TrendDay[];
}
export interface LearnerDevices {
  id: string;
  login: string;
  name: string;
  devices: Device[];
}
export interface Device {
  id: string;
  name: string;
  signedInMs: number;
  lastHeardMs: number;
  /** Missing on servers of earlier releases; null until the device has reported. */
  report?: ReportedDevice | null;
}
export interface ReportedDevice {
  reportedMs: number;
  appVersion: string;
  platform: string;
  waiting: number;
  oldestWaitingMs: number | null;
  refused: number;
  refusals: DeviceRefusal[];
  courses: { id: string; state: DownloadState }[];
}
export interface DeviceRefusal {
  rowType: RowType;
  item: string | null;
  code: string;
  reasonName: string;
  reasonParams: Record<string, string>;
  atMs: number;
}
export type DownloadState = "absent" | "incomplete" | "failed" | "older" | "current";
export interface DevicesReport {
  class: string;
  asOf: number;
  devices: { heard: number; total: number; since: number };
  learners: LearnerDevices[];
}
export interface ExportJob {
  id: string;
  state: string;
  progress?: number;
}

/** Number of deleted rows by kind. */
export interface DeletionReceipt {
  id: string;
  deletedMs: number;
  deleted: Record<string, number>;
}
export interface Person {
  id: string;
  login: string;
  name: string;
  rank: Rank;
  state: PersonState;
  disabled: boolean;
  hasPassword: boolean;
  sourceId: string | null;
  lang: string | null;
  email: string | null;
}
export interface People {
  people: Person[];
  next: string | null;
}

export interface RosterProblem {
  severity: "error" | "warning";
  file: string;
  line: number;
  column: string | null;
  value: string;
  code: string;
  text: string;
}
export interface RosterApplied {
  import: number | null;
  changes: number;
  held: number;
  conflicts: unknown[] | number;
}
export interface RosterReport {
  state: "running" | "failed" | "finished";
  error?: string;
  hint?: string;
  summary?: {
    people: Record<"created" | "changed" | "unchanged" | "suspended" | "left" | "returned" | "otherServer", number>;
    classes: Record<"created" | "changed" | "archived", number>;
    memberships: Record<"added" | "ended", number>;
    errors: number;
    warnings: number;
  };
  held?: { what: string; count?: number; limit?: number; unreadableRows?: number }[];
  differences?: { text: string; held: boolean }[];
  problems?: RosterProblem[];
  applied?: RosterApplied;
}
export interface RosterImport {
  import: number;
  actor: string | null;
  name: string;
  createdMs: number;
  undoneMs: number | null;
  canBeUndone: boolean;
}

export interface MailMessage {
  id: string;
  user: string;
  login: string;
  kind: "reset" | "invitation";
  address: string;
  createdMs: number;
  state: "waiting" | "sent" | "refused" | "expired";
  attempts: number;
  error: string;
}
export interface AuditLine {
  atMs: number;
  actor: string | null;
  action: string;
  subject: string | null;
  detail: Record<string, unknown> | null;
}
export interface Health {
  ok: boolean;
  version: string;
  databaseOk: boolean;
  diskOk: boolean;
  freeBytes: number | null;
  minFreeBytes: number;
  failingJobs: string[];
  lateJobs: string[];
}
export interface Maintenance {
  rows?: {
    checkedMs: number;
    orphans: { table: string; found: number; deleted: number }[];
    values: { table: string; column: string; found: number; corrected: number }[];
  };
  retention?: { purgedMs: number; kinds: { kind: string; keptMs: number; deleted: number }[] };
}
