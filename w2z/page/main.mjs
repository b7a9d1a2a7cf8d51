/** The page: it takes the token out of the address, or asks for it, and then shows the kernel. */

import { AboutView } from "./aboutview.mjs";
import { Api, ApiError } from "./api.mjs";
import { Composer } from "./composer.mjs";
import { ConsoleView } from "./consoleview.mjs";
import { askForToken, openGate } from "./gate.mjs";
import { headView } from "./headview.mjs";
import { Kernel } from "./kernel.mjs";
import { tabs } from "./tabs.mjs";
import { takeToken } from "./token.mjs";
import { TrafficView } from "./trafficview.mjs";

const SESSION = "w2z-session";

const given = takeToken(location.href);
history.replaceState(null, "", given.href);

const base = new URL("./", given.href.replace(/[?#].*$/, "")).href;
const needsToken = document.querySelector('meta[name="w2z-access"]').content === "token";
const kernel = new Kernel(base, takeSession());

/**
 * The session of before, if the page was loaded again. It is taken away while the page is there, so
 * that the copy of a tab has a session of its own.
 */
function takeSession() {
  const session = sessionStorage.getItem(SESSION);
  sessionStorage.removeItem(SESSION);
  addEventListener("pagehide", () => sessionStorage.setItem(SESSION, kernel.link.session));
  addEventListener("pageshow", event => event.persisted && sessionStorage.removeItem(SESSION));
  return session;
}

/** Find a token that is right, beginning with the given one, and open the kernel with it. */
async function enter(token, why) {
  let refused = why;
  for (;;) {
    if (needsToken && token === null) {
      token = await askForToken(refused);
    }
    const api = new Api(base, token);
    try {
      await api.kernel();
    } catch (error) {
      if (error instanceof ApiError && error.isToken) {
        refused = needsToken ? "This token is not the right one." : error.message;
      } else {
        refused = error.message;
      }
      if (!needsToken) {
        openGate();
        kernel.say(refused);
        return;
      }
      token = null;
      continue;
    }
    openGate();
    await kernel.begin(api, token);
    return;
  }
}

async function begin() {
  headView(kernel);
  const composer = new Composer(kernel);
  let editing = null;
  const showCode = (element, code) => {
    const language = composer.editor?.language ?? null;
    if (editing === null) {
      element.textContent = code;
    } else {
      editing.showCode(element, code, language);
    }
  };
  const console = new ConsoleView(kernel, showCode, composer.element);
  const traffic = new TrafficView(kernel);
  const about = new AboutView(kernel, needsToken);
  composer.element.addEventListener("ran", () => console.toEnd());
  console.element.addEventListener("answered", () => composer.editor.focus());
  composer.others.addEventListener("change", () => console.showOthers(composer.others.checked));
  composer.clear.addEventListener("click", () => kernel.clear());
  tabs(id => {
    traffic.draw();
    about.draw();
    if (id === "about" && kernel.api !== null) {
      kernel.look();
    }
    if (id === "console") {
      console.toEnd();
      composer.editor?.focus();
    }
  });
  kernel.addEventListener("refused", event => enter(null, event.detail));
  kernel.addEventListener("info", () => {
    if (composer.editor === null) {
      return; // told again when the editor is there
    }
    const name = kernel.info.language_info?.name ?? kernel.spec?.language;
    composer.editor.setLanguage(editing.languageOf(name));
    console.drawCodes();
    recall();
  });
  let isRecalled = false;
  const recall = () => {
    if (!isRecalled) {
      isRecalled = true;
      composer.recall();
    }
  };
  const entered = enter(given.token, "");
  editing = await import("./editor.mjs");
  await composer.begin();
  await entered;
  // Where there is a keyboard: on a phone one would cover half of the page.
  if (!matchMedia("(pointer: coarse)").matches) {
    composer.editor.focus();
  }
  if (kernel.info !== null) {
    kernel.dispatchEvent(new CustomEvent("info"));
  }
}

begin();
