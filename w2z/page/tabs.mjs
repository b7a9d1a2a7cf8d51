/** The views of the page, of which one is seen (https://www.w3.org/WAI/ARIA/apg/patterns/tabs/). */

const STEPS = new Map([
  ["ArrowRight", 1],
  ["ArrowLeft", -1]
]);

/** @param {(id: string) => void} opened is called with the id of the view that is seen from now on */
export function tabs(opened) {
  const list = document.querySelector('[role="tablist"]');
  const all = [...list.querySelectorAll('[role="tab"]')];
  const open = chosen => {
    for (const tab of all) {
      const isChosen = tab === chosen;
      tab.setAttribute("aria-selected", isChosen);
      tab.tabIndex = isChosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !isChosen;
    }
    opened(chosen.getAttribute("aria-controls"));
  };
  all.forEach(tab => tab.addEventListener("click", () => open(tab)));
  list.addEventListener("keydown", event => {
    const step = STEPS.get(event.key);
    if (step !== undefined) {
      const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
      open(next);
      next.focus();
      event.preventDefault();
    }
  });
}
