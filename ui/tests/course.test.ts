import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import Course from "../src/features/course/Course.svelte";
import { amina, idle, offline, stateOf } from "../src/platform/fixture/accounts";
import { courses, courseView, partly } from "../src/platform/fixture/catalogue";
import { appState } from "../src/state/appState.svelte";
import { clearKeptReplies } from "../src/state/live.svelte";
import { allByRole, byRole, click, fail, rendered, scriptPlatform, show, text } from "./support";

const platform = scriptPlatform();
const course = courses.find((card) => card.download.phase === "absent")!.course;
let close: () => void;
async function open(id: string = course.id) {
  const screen = show(Course, { route: { name: "course", course: id } });
  close = screen.close;
  await rendered();
  return screen.target;
}
const heading = (target: Element) => text(byRole(target.querySelector(".listed, .failed")!, "heading"));

beforeAll(() => appState.load());
beforeEach(async () => {
  window.scrollTo = () => undefined;
  clearKeptReplies();
  appState.downloads.clear();
  platform.replies = {};
  platform.calls = [];
  await appState.replace(stateOf(amina, offline, [amina]));
});
afterEach(() => close());

describe("a course that is not on this device, opened offline", () => {
  it.each(["offline", "not_downloaded", "unavailable"] as const)(
    "shows what the catalogue knows ('%s')",
    async (code) => {
      platform.replies["get_course"] = () => fail(code);
      const target = await open();
      expect(heading(target)).toBe(course.title);
      expect(text(target)).toContain(course.description);
      expect(text(target)).toContain("This course is not on this device yet.");
      expect(text(target)).not.toContain("No network");
    },
  );

  it("is downloaded when the network is back", async () => {
    platform.replies["get_course"] = () => fail("offline");
    platform.replies["start_download"] = () => partly(course.totalBytes, { phase: "paused", reason: "offline" });
    const target = await open();
    await click(byRole(target, "button", "Download when online"));
    expect(platform.requests("start_download")).toMatchObject([{ id: course.id, isStory: false }]);
    expect(text(target)).toContain("Continues automatically when the network is back.");
  });

  it("is found on a later page of the catalogue", async () => {
    platform.replies["get_course"] = () => fail("offline");
    let page = 0;
    platform.replies["list_courses"] = () => ({
      items: ++page === 3 ? [courses[0]] : Array.from({ length: 200 }, () => courses[1]),
      total: 401,
    });
    const target = await open(courses[0]!.course.id);
    expect(heading(target)).toBe(courses[0]!.course.title);
    expect(platform.requests("list_courses")).toMatchObject([{ page: 1 }, { page: 2 }, { page: 3 }]);
  });

  it("shows the error if the catalogue does not list it, or for another error", async () => {
    platform.replies["get_course"] = () => fail("offline");
    expect(heading(await open("unknown"))).toBe("No network");
    close();
    platform.replies["get_course"] = () => fail("corrupt");
    const target = await open();
    expect(allByRole(target, "button", "Try again")).toHaveLength(1);
    expect(target.querySelector(".listed")).toBeNull();
  });

  it("shows the course once it can be loaded", async () => {
    platform.replies["get_course"] = () => fail("offline");
    const target = await open("how-rivers-work");
    expect(heading(target)).toBe("How Rivers Work");
    platform.replies = {};
    await appState.replace(stateOf(amina, idle, [amina]));
    platform.emit({ kind: "changed", topics: [{ topic: "downloads" }] });
    await rendered();
    expect(target.querySelector(".listed")).toBeNull();
    expect(allByRole(target, "heading", "Lessons")).toHaveLength(1);
  });
});

it("a course that the school no longer offers says so, and can be continued", async () => {
  platform.replies["get_course"] = () => ({ ...courseView("how-rivers-work")!, withdrawn: true });
  const target = await open("how-rivers-work");
  expect(text(target)).toContain("Your school no longer offers this course.");
  expect(allByRole(target, "link", "Continue")).toHaveLength(1);
  platform.replies = {};
  platform.emit({ kind: "changed", topics: [{ topic: "catalogue" }] });
  await rendered();
  expect(text(target)).not.toContain("no longer offers");
});

describe("an enrolment", () => {
  const enrolment = (value: "pending" | "active" | null) => () => {
    const view = courseView("how-rivers-work")!;
    return { ...view, enrolment: value, newSections: 0 };
  };
  beforeEach(() => appState.replace(stateOf(amina, idle, [amina])));
  it("that the school has not decided is shown as asked, not as enrolled", async () => {
    platform.replies["get_course"] = enrolment(null);
    platform.replies["enrol"] = () => new Promise(() => undefined);
    const target = await open("how-rivers-work");
    await click(byRole(target, "button", "Enrol"));
    expect(text(target)).toContain("Enrolment requested.");
    expect(allByRole(target, "button", "Enrolment requested")).toHaveLength(1);
    expect(allByRole(target, "button", "Enrolled")).toEqual([]);
    await click(byRole(target, "button", "Enrolment requested"));
    expect(allByRole(target, "button", "Withdraw the request")).toHaveLength(1);
  });
  it.each([
    ["needs_code(): the course needs a code", "This course needs an enrolment code. Ask your school for one."],
    ["assigned_only(): x", "Your school chooses who takes this course. Ask your teacher to add you."],
    ["course_withdrawn(): x", "This course takes no new learners."],
    ["of_a_later_release(): The course is full.", "The school did not accept the enrolment: The course is full."],
    ["Full (see the list): ask again", "The school did not accept the enrolment: Full (see the list): ask again"],
    ["", "The school did not accept the enrolment."],
  ])("that the school did not accept states why: %s", async (reason, message) => {
    const view = courseView(courses[0]!.course.id)!;
    platform.replies["get_course"] = () => ({ ...view, enrolment: "refused", enrolmentReason: reason });
    const target = await open(courses[0]!.course.id);
    expect(text(target)).toContain(message);
    byRole(target, "button", "Enrol");
  });

  it("that the school accepted is shown as enrolled", async () => {
    platform.replies["get_course"] = enrolment("active");
    const target = await open("how-rivers-work");
    expect(allByRole(target, "button", "Enrolled")).toHaveLength(1);
    expect(text(target)).not.toContain("Enrolment requested.");
  });
});
