// Sets the same mark as the app (ui/src/state/markFirstPaint.ts): the frame with the page's text has been drawn.
requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => performance.mark("list");
  port2.postMessage(0);
});
