//! Prints one part of the page, with the class `print-only`, and nothing else.

/** Attachment: moves the part out of the page, which is hidden while it is printed. */
export function toBody(part: HTMLElement): () => void {
  document.body.append(part);
  return () => part.remove();
}

export function printPart(): void {
  const root = document.documentElement;
  root.dataset["printing"] = "";
  addEventListener("afterprint", () => delete root.dataset["printing"], { once: true });
  print();
}
