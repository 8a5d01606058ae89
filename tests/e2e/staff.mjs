// A morning of a school: a teacher in a browser at /staff/, an administrator, and a teacher in the app without a
// network.
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { axe, desktop, expectThat, heading, open, phone, run, see, step, waitUntilLoaded } from "./keyboard.mjs";
import { browser, Device, LOGIN, PASSWORD, root, TestServer } from "./environment.mjs";
import { zipOf } from "./zip.mjs";

const screenshots = process.env.CARREL_SCREENSHOTS;
if (screenshots) mkdirSync(screenshots, { recursive: true });
const TEACHER = "olga";
const OFFICE = "office";
const COURSE = "halves-and-thirds";
const CLASSES = "class,courses\nForm 2,first-steps-in-fractions\n";
const PEOPLE = [
  "login,name,role,class",
  "olga,Olga Petrova,instructor,Form 2",
  "noor,Noor Haddad,student,Form 2",
  "peter,Peter Otieno,student,Form 2",
].join("\n");
/** The next list: a new student, and a line that cannot be used. */
const NEXT = `${PEOPLE}\nsana,Sana Ali,student,Form 2\n1.23E+10,Lost Digits,student,Form 2\n`;

const button = (page, name) => page.getByRole("button", { name, exact: true });
const link = (page, name) => page.getByRole("link", { name });
const file = (name, text) => ({ name, mimeType: "text/csv", buffer: Buffer.from(text) });

/** Returns the archive of a course with another id, with an error if `isBroken`. */
function coursePackage(server, isBroken) {
  const folder = join(server.data, "..", COURSE);
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(root, "assets/courses/first-steps-in-fractions"), folder, { recursive: true });
  const path = join(folder, "course.json");
  const course = JSON.parse(readFileSync(path, "utf8"));
  course.id = COURSE;
  course.title = "Halves and Thirds";
  if (isBroken) course.lessons[0].sections[0].file = "missing.md";
  writeFileSync(path, JSON.stringify(course));
  return { name: `${COURSE}.zip`, mimeType: "application/zip", buffer: zipOf(folder) };
}
async function shot(page, name) {
  if (screenshots) await page.screenshot({ path: join(screenshots, `staff-${name}.png`) });
}
async function enter(page, login, title) {
  await heading(page, "Sign in");
  await page.getByLabel("Login", { exact: true }).fill(login);
  await page.getByLabel("Password or one-time code").fill(PASSWORD);
  await button(page, "Sign in").click();
  await heading(page, title);
}
async function goTo(page, hash, title) {
  await page.evaluate((h) => (location.hash = h), hash);
  await heading(page, title);
  await waitUntilLoaded(page);
}

async function main() {
  const server = new TestServer();
  await server.prepare();
  for (const [login, name, role] of [
    [TEACHER, "Olga Petrova", "instructor"],
    [OFFICE, "Office", "administrator"],
  ]) {
    server.addLearner(login, name);
    server.run(["user", "role", login, role]);
  }
  for (const [name, text] of [
    ["classes.csv", CLASSES],
    ["people.csv", PEOPLE],
  ]) {
    const path = join(server.data, "..", name);
    writeFileSync(path, text);
    server.run(["roster", "import", path, "--apply"]);
  }
  await server.open(["--staff-dir", join(root, "ui/dist-staff")]);
  const chrome = await browser();
  const staff = { url: `${server.address}/staff/` };
  try {
    const teacher = await open(chrome, staff, desktop, "paper");
    await step("a teacher signs in in the browser", async () => {
      await axe(teacher, "sign-in");
      await enter(teacher, TEACHER, "Classes");
      await see(link(teacher, /Form 2/), "the class");
      await axe(teacher, "classes");
      await shot(teacher, "classes");
    });
    await step("opens a class, and makes a sheet and a code for its students", async () => {
      await link(teacher, /Form 2/).click();
      await heading(teacher, "Form 2");
      await axe(teacher, "class");
      await button(teacher, "Sign-in sheet").click();
      await teacher.getByRole("dialog").getByRole("button", { name: "Sign-in sheet" }).click();
      const sheet = teacher.getByRole("dialog").filter({ hasText: "Sign-in codes" });
      await see(sheet.getByText("Noor Haddad"), "the card of a student");
      await axe(teacher, "sign-in sheet");
      await sheet.getByRole("button", { name: "Close" }).click();
      await button(teacher, "Class code").click();
      const code = teacher.getByRole("dialog").locator("code");
      await expectThat("a code of twelve characters", async () => /^(\w{4}-){2}\w{4}$/.test(await code.innerText()));
      await teacher.getByRole("dialog").getByRole("button", { name: "Close" }).click();
    });
    await step("uploads a course, corrects its error, and sends it for review", async () => {
      await link(teacher, "Courses").click();
      await heading(teacher, "Courses");
      await see(teacher.getByText("No courses yet"), "the empty list");
      await button(teacher, "Upload a package").click();
      await teacher.getByLabel("Package", { exact: true }).setInputFiles(coursePackage(server, true));
      await button(teacher, "Upload and check").click();
      await see(teacher.getByText("Correct the errors below"), "the report", 60_000);
      await see(teacher.getByText("missing.md").first(), "the file of the error");
      await axe(teacher, "report of an upload");
      await button(teacher, "Upload another file").click();
      await teacher.getByLabel("Package", { exact: true }).setInputFiles(coursePackage(server, false));
      await button(teacher, "Upload and check").click();
      await see(teacher.getByText("The package is complete."), "the draft", 60_000);
      await link(teacher, "Open the course").click();
      await heading(teacher, "Halves and Thirds");
      await button(teacher, "Send for review").click();
      await see(button(teacher, "Take back"), "the course in review");
      await axe(teacher, "course");
    });

    const office = await open(chrome, staff, desktop, "night");
    await step("an administrator publishes it, and it is in the catalogue", async () => {
      await enter(office, OFFICE, "Classes");
      await goTo(office, `#/teach/course/${COURSE}`, "Halves and Thirds");
      await button(office, "Publish").click();
      await see(office.getByText("learners have this one"), "the published version");
      const reply = await fetch(`${server.address}/api/courses/${COURSE}`);
      if (reply.status !== 200) throw new Error(`the course is not in the catalogue: ${reply.status}`);
    });
    await step("imports a list after a dry run, and undoes it", async () => {
      await goTo(office, "#/administer/import", "Import a list");
      await office.getByLabel("File", { exact: true }).setInputFiles(file("people.csv", NEXT));
      await button(office, "Check the list").click();
      await see(office.getByText("What the list would change"), "the preview");
      await see(office.getByText(/new person sana/), "the new student");
      await see(office.getByRole("table", { name: /lines? with a problem/ }), "the line with a problem");
      await axe(office, "preview of an import");
      await shot(office, "import");
      const sana = async () => {
        await goTo(office, "#/administer", "People");
        await office.getByRole("searchbox").fill("sana");
        await waitUntilLoaded(office);
      };
      await sana();
      await see(office.getByText("Nobody found"), "that nothing has changed");
      await goTo(office, "#/administer/import", "Import a list");
      await office.getByLabel("File", { exact: true }).setInputFiles(file("people.csv", NEXT));
      await button(office, "Check the list").click();
      await button(office, /^Apply \d+ changes?$/).click();
      await see(office.getByText("What the list changed"), "the result");
      await sana();
      await see(button(office, "Sana Ali"), "the new student");
      await goTo(office, "#/administer/import", "Import a list");
      await office.getByRole("button", { name: "Undo the import people.csv" }).first().click();
      await office.getByRole("dialog").getByRole("button", { name: "Undo", exact: true }).click();
      await see(office.getByText(/changes? (was|were) taken back/), "that it was undone");
      await sana();
      await see(office.getByText("left", { exact: true }).last(), "that the student has left");
    });
    await step("axe on the pages of the administrator, on a desktop and a phone", async () => {
      const pages = [
        ["#/administer", "People"],
        ["#/administer/mail", "Messages"],
        ["#/administer/audit", "Audit log"],
        ["#/administer/health", "Server"],
        ["#/teach/courses", "Courses"],
        [`#/teach/course/${COURSE}`, "Halves and Thirds"],
      ];
      for (const viewport of [desktop, phone]) {
        await office.setViewportSize(viewport);
        for (const [hash, title] of pages) {
          await goTo(office, hash, title);
          await axe(office, `${title} (${viewport.width})`);
        }
      }
    });
    await step("a reload keeps the sign-in, signing out ends it, and no page broke a rule of the policy", async () => {
      await office.reload();
      await heading(office, "Halves and Thirds");
      await button(office, "Sign out").click();
      await heading(office, "Sign in");
      await office.reload();
      await heading(office, "Sign in");
      for (const page of [office, teacher]) page.assertNoErrors();
    });
    await step("a learner finds no area for staff in the browser", async () => {
      await enter(office, LOGIN, "Not for your role");
    });

    await step("a teacher in the app reads the class without a network", async () => {
      const device = new Device("teacher");
      await device.open();
      const app = await open(chrome, device, phone, "paper");
      await device.call("sign_in", { address: server.address, login: TEACHER, password: PASSWORD });
      await app.reload();
      await goTo(app, "#/teach", "Classes");
      await see(link(app, /Form 2/), "the class");
      await axe(app, "Teach in the app");
      await server.close();
      await app.reload();
      await goTo(app, "#/teach", "Classes");
      await see(link(app, /Form 2/), "the stored class");
      await see(app.getByText(/^as of/), "the time of the figures");
      await link(app, /Form 2/).click();
      await heading(app, "Form 2");
      await button(app, "Class code").click();
      await see(app.getByText(/nothing was changed/), "that a change needs the network");
      app.assertNoErrors();
    });
  } finally {
    await chrome.close();
  }
}

await run(main);
