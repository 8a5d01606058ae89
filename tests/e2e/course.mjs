// The test course: a quiz with one question of each kind whose answers are known, and many sections with one word. The
// hostile course: a section for each vector of hostile HTML.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const TEST_COURSE = "springs";
export const TEST_COURSE_TITLE = "Sixty Springs";
/** A word of `WORD_SECTIONS` sections. */
export const WORD = "karstic";
export const WORD_SECTIONS = 60;

const quiz = {
  format: "carrel-quiz/1",
  id: "springs-quiz",
  title: "Springs",
  attempts: 0,
  pass: 90,
  shuffle: false,
  questions: [
    {
      id: "capital",
      kind: "single",
      prompt: "Where does a river begin?",
      choices: [
        { id: "mouth", text: "At its mouth", feedback: "A river ends there." },
        { id: "source", text: "At its source", correct: true },
      ],
      explanation: "The place is also called a spring.",
    },
    {
      id: "water",
      kind: "multiple",
      prompt: "Which of these contain water?",
      points: 2,
      choices: [
        { id: "lake", text: "A lake", correct: true },
        { id: "cloud", text: "A cloud", correct: true },
        { id: "fog", text: "Fog", correct: true },
        { id: "flame", text: "A flame" },
      ],
    },
    {
      id: "gap",
      kind: "fill",
      prompt: "A drop falls as ___ from a ___.",
      blanks: [["rain"], ["cloud"]],
    },
    {
      id: "way",
      kind: "order",
      prompt: "Put the way of the water in order.",
      items: ["rain", "spring", "sea"],
    },
    {
      id: "pairs",
      kind: "match",
      prompt: "Match each word with its meaning.",
      pairs: [
        ["source", "where a river begins"],
        ["mouth", "where a river ends"],
      ],
    },
  ],
};

export function writeTestCourse(folder) {
  mkdirSync(folder, { recursive: true });
  const write = (name, content) => writeFileSync(join(folder, name), content);
  const sections = Array.from({ length: WORD_SECTIONS }, (_, i) => {
    write(`s${i}.md`, `Spring number ${i + 1} rises from ${WORD} rock.\n`);
    return {
      id: `s${i}`,
      type: "TEXT",
      title: `Spring ${i + 1}`,
      file: `s${i}.md`,
      minutes: 1,
    };
  });
  write("quiz.json", JSON.stringify(quiz));
  write(
    "programs.md",
    "Change the programs.\n\n```javascript editable\nprint(1)\n```\n\n```python editable\nprint(1)\n```\n",
  );
  const course = {
    format: "carrel-course/1",
    id: TEST_COURSE,
    title: TEST_COURSE_TITLE,
    description: "Where rivers begin.",
    lang: "en",
    difficulty: "BEGINNER",
    category: "Geography",
    authors: ["The Carrel authors"],
    license: "CC0-1.0",
    lessons: [
      {
        id: "quiz",
        title: "What you know",
        sections: [
          {
            id: "check",
            type: "QUIZ",
            title: "Springs",
            quiz: "quiz.json",
            minutes: 4,
          },
        ],
      },
      {
        id: "programs",
        title: "Programs",
        sections: [
          {
            id: "programs",
            type: "ACTIVITY",
            title: "Two programs",
            file: "programs.md",
            minutes: 2,
          },
        ],
      },
      { id: "list", title: "All springs", sections },
    ],
  };
  write("course.json", JSON.stringify(course));
}

export const HOSTILE_COURSE = "hostile";
/** Names and texts of the vectors. A text with a null character is refused by the compiler. */
export const vectors = JSON.parse(
  readFileSync(join(dirname(fileURLToPath(import.meta.url)), "../faults/hostile-html.json"), "utf8"),
).filter(([, html]) => !html.includes("\0"));

/** Writes a course in which the text and the title of section `v0`, `v1`, ... are hostile. */
export function writeHostileCourse(folder) {
  mkdirSync(folder, { recursive: true });
  const sections = vectors.map(([name, html], n) => {
    writeFileSync(join(folder, `v${n}.md`), `Begin.\n\n${html}\n\nText with ${html} in a line.\n`);
    const title = `${name} ${html.replace(/\s+/g, " ")}`.slice(0, 150);
    return { id: `v${n}`, type: "TEXT", title, file: `v${n}.md`, minutes: 1 };
  });
  const course = {
    format: "carrel-course/1",
    id: HOSTILE_COURSE,
    title: "Hostile texts",
    description: vectors[11][1],
    lang: "en",
    difficulty: "BEGINNER",
    category: "Tests",
    authors: [vectors[0][1]],
    license: "CC0-1.0",
    lessons: [{ id: "all", title: "All", sections }],
  };
  writeFileSync(join(folder, "course.json"), JSON.stringify(course));
}
