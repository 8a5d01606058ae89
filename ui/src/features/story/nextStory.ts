//! The story that is offered at the end of a story.
import type { StoryCard } from "../../api/types";

/**
 * Returns the first unfinished story of the same language after this one in the list, at the same level; without one,
 * at the next level. After the end of the list, its beginning. `onDevice`: only stories that are on this device.
 */
export function nextStory(
  cards: readonly StoryCard[],
  story: { id: string; lang: string; level: number },
  onDevice = false,
): StoryCard | undefined {
  const at = cards.findIndex((card) => card.story.id === story.id);
  const order = [...cards.slice(at + 1), ...cards.slice(0, Math.max(0, at))];
  const open = order.filter(
    (card) =>
      card.story.id !== story.id &&
      card.story.lang === story.lang &&
      !card.done &&
      (!onDevice || card.download.readable || card.download.phase === "ready"),
  );
  const atLevel = (level: number): StoryCard | undefined => open.find((card) => card.story.level === level);
  return atLevel(story.level) ?? atLevel(story.level + 1);
}
