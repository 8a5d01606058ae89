import { api } from "../../api/client";
import type { CourseCard } from "../../api/types";

const PAGE_SIZE = 200;

/** Finds a course in the catalogue that is stored on this device. There is no command for one listed course. */
export async function findListed(id: string): Promise<CourseCard | undefined> {
  for (let page = 1; ; page++) {
    const list = await api.listCourses({ onDevice: false, page, pageSize: PAGE_SIZE });
    const found = list.items.find((card) => card.course.id === id);
    if (found || list.items.length === 0 || page * PAGE_SIZE >= list.total) return found;
  }
}
