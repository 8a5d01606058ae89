// Sets the same performance mark as the app (ui/src/state/markFirstPaint.ts) when the page's text has been drawn.
requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => performance.mark("list");
  port2.postMessage(0);
});
