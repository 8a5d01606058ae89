// Loads the page again after each check.
const seen = document.documentElement.dataset.generation;
async function follow() {
  try {
    const reply = await fetch(`/changes?after=${seen}`);
    if (reply.ok && (await reply.text()) !== seen) return location.reload();
    setTimeout(follow, reply.ok ? 0 : 2000);
  } catch {
    setTimeout(follow, 2000);
  }
}
follow();
