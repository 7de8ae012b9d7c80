// New items appear by themselves. The server sends each as the list shows it, every text in it escaped.
const list = document.getElementById("news");
const told = document.getElementById("news-told");
const AGAIN_MS = 15000;
let fresh = 0;

function watch() {
  const source = new EventSource(list.dataset.stream);
  source.addEventListener("item", (event) => {
    document.getElementById("no-news")?.remove();
    const box = document.createElement("template");
    box.innerHTML = event.data;
    const item = box.content.firstElementChild;
    if (list.querySelector(`[data-item="${CSS.escape(item.dataset.item)}"]`)) return;
    list.prepend(item);
    fresh += 1;
    told.textContent = fresh === 1 ? "One new link above." : `${fresh} new links above.`;
  });
  // The browser comes again by itself after a broken line, but not after a refusal.
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(watch, AGAIN_MS);
  });
}
watch();
