// Sends the file with its progress in sight; without this the form does the same, with nothing to see meanwhile.
const form = document.getElementById("import");
const progress = document.getElementById("import-progress");
const bar = document.getElementById("sent");
const sending = document.getElementById("import-sending");
const told = document.getElementById("import-told");
const LOOK_MS = 1000;

async function look() {
  const answer = await fetch(form.dataset.progress, { headers: { "HX-Request": "true" } });
  if (answer.ok) told.innerHTML = await answer.text();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const request = new XMLHttpRequest();
  let looking = null;
  progress.hidden = sending.hidden = false;
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  request.upload.addEventListener("progress", (sent) => {
    if (sent.lengthComputable) bar.value = sent.loaded / sent.total;
  });
  request.upload.addEventListener("load", () => {
    sending.hidden = true;
    told.textContent = "Reading the file …";
    looking = setInterval(() => look().catch(() => {}), LOOK_MS);
  });
  request.addEventListener("loadend", () => {
    clearInterval(looking);
    if (request.status >= 200 && request.status < 400) {
      location.assign(request.responseURL);
      return;
    }
    for (const button of form.querySelectorAll("button")) button.disabled = false;
    bar.value = 0;
    const page = new DOMParser().parseFromString(request.responseText || "", "text/html");
    const problem = page.querySelector(".problem, .failure");
    // The next try has a key of its own: this one's may belong to the refused file.
    const again = page.getElementById("import");
    if (again) {
      form.setAttribute("action", again.getAttribute("action"));
      form.dataset.progress = again.dataset.progress;
    }
    told.textContent = problem ? problem.textContent.trim() : "The connection broke. Send the file again: it goes on where it stopped.";
  });
  request.open("POST", form.action);
  request.send(new FormData(form));
});
