/** The form that asks for the token. */

const form = document.getElementById("ask");
const field = document.getElementById("token");
const reveal = document.getElementById("reveal");
const refused = document.getElementById("refused");

reveal.addEventListener("click", () => {
  const shows = field.type === "password";
  field.type = shows ? "text" : "password";
  reveal.setAttribute("aria-pressed", shows);
  reveal.textContent = shows ? "Hide" : "Show";
});

/**
 * Ask for the token.
 * @param {string} why what was wrong with the last one, if there was one
 * @returns {Promise<string>}
 */
export function askForToken(why) {
  document.getElementById("app").hidden = true;
  document.getElementById("gate").hidden = false;
  document.title = "w2z: token";
  refused.textContent = why;
  refused.hidden = why === "";
  field.value = "";
  field.type = "password";
  field.focus();
  return new Promise(resolve => {
    form.onsubmit = event => {
      event.preventDefault();
      const token = field.value.trim();
      field.value = "";
      if (token) {
        resolve(token);
      }
    };
  });
}

/** Show the page itself in the place of the form. */
export function openGate() {
  document.getElementById("gate").hidden = true;
  document.getElementById("app").hidden = false;
}
