/** Making elements, and changing them once a frame. */

/**
 * Make an element.
 * @param {string} tag
 * @param {object} [props] attributes; `class`; `on…` functions; false and null are left out
 * @param {...(Node | string | null | false)} children
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === false || value === null || value === undefined) {
      continue;
    }
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.filter(child => child !== null && child !== false));
  return element;
}

const waiting = new Set();

/**
 * Call a function in the next frame, once, however often it is asked for until then. A page that is
 * not seen has no frames: then it is called when the page is seen again.
 * @param {() => void} task
 */
export function inFrame(task) {
  if (waiting.size === 0) {
    requestAnimationFrame(() => {
      const tasks = [...waiting];
      waiting.clear();
      tasks.forEach(one => one());
    });
  }
  waiting.add(task);
}

/** Put text on the clipboard; in pages that are no secure context only the old way works. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = h("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

/**
 * A button that copies, and says so.
 * @param {() => string} text
 * @param {string} what it copies, for screen readers
 */
export function copyButton(text, what) {
  const button = h(
    "button",
    { type: "button", class: "quiet", "aria-label": `Copy ${what}` },
    "Copy"
  );
  button.addEventListener("click", async () => {
    await copy(text());
    button.textContent = "Copied";
    announce(`Copied ${what}.`);
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return button;
}

/** Have screen readers say something, when they have said what they are saying. */
export function announce(text) {
  document.getElementById("said").textContent = text;
}
