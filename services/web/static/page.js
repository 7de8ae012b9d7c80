// What makes every page a little handier; without it everything still works.
document.documentElement.classList.add("scripted");

// A changed choice is sent at once.
document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-submit]")) event.target.form.requestSubmit();
});

// What is meant to be copied is selected when it is entered.
document.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-select]")) event.target.select();
});

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) {
    const says = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const box = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(box.value);
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = says), 2000);
      } catch {
        // Not allowed here: selected, it is copied by hand.
        box.focus();
      }
    });
  }
}

// An open menu closes by Escape, and when something else is used.
document.addEventListener("keydown", (event) => {
  const menu = document.querySelector("details.menu[open]");
  if (event.key === "Escape" && menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
  // "/" goes to the search, as in many programs.
  if (event.key === "/" && !event.target.closest("input, textarea, select")) {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// After a part of the page was replaced the keyboard goes on where it was.
document.addEventListener("htmx:after:swap", () => {
  const lost = document.activeElement === null || document.activeElement === document.body;
  if (!lost) return;
  const next = document.querySelector(".editing input[type=url], .asking button, .gone");
  if (next) next.focus();
});

function tickAll() {
  for (const button of document.querySelectorAll("[data-tick-all]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const boxes = [...document.querySelectorAll("input.tick")];
      const all = boxes.every((box) => box.checked);
      for (const box of boxes) box.checked = !all;
    });
  }
}
tickAll();

if (document.querySelector("[data-close-window]")) setTimeout(() => window.close(), 1200);
