// A picture that no longer follows must say so.
const live = document.getElementById("live");
const lost = document.getElementById("lost");
live.addEventListener("htmx:sse:error", () => (lost.hidden = false));
live.addEventListener("htmx:after:sse:connection", () => (lost.hidden = true));
