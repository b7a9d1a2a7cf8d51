/** The editor for code: CodeMirror, with the keys of a console. */

import * as cm from "./vendor/codemirror.mjs";
import { toCodePoints, toCodeUnits } from "./positions.mjs";

/** Languages of kernels, by the names that these give, and how they are shown. */
const LANGUAGES = new Map(
  Object.entries({
    python: cm.python,
    r: cm.r,
    julia: cm.julia,
    bash: cm.shell,
    javascript: cm.javascript,
    typescript: cm.typescript
  }).map(([name, mode]) => [name, cm.StreamLanguage.define(mode)])
);

/** @returns {object | null} the language of that name, in lower case */
export function languageOf(name) {
  return LANGUAGES.get(name?.toLowerCase()) ?? null;
}

/** Show code with its colours in an element. */
export function showCode(element, code, language) {
  const add = (text, classes) => {
    const part = document.createElement("span");
    part.className = classes;
    part.textContent = text;
    element.append(classes ? part : text);
  };
  element.replaceChildren();
  if (language === null) {
    element.textContent = code;
    return;
  }
  const tree = language.parser.parse(code);
  cm.highlightCode(code, tree, cm.classHighlighter, add, () => element.append("\n"));
}

export class Editor {
  /**
   * @param {HTMLElement} parent
   * @param {object} does what the keys do: `run()`, `back(code)`, `forward(code)` (the code to show
   *   instead, or null), `complete(code, position)`, `inspect(code, position)`, `interrupt()`
   *   (whether there was something to interrupt), `escape()`; positions are code points
   */
  constructor(parent, does) {
    this._does = does;
    this._language = new cm.Compartment();
    this._indent = new cm.Compartment();
    this.language = null;
    const { nonce } = document.querySelector("link[nonce]");
    this.view = new cm.EditorView({
      parent,
      state: cm.EditorState.create({
        extensions: [
          cm.EditorView.cspNonce.of(nonce),
          cm.Prec.highest(cm.keymap.of(this._keys())),
          cm.history(),
          cm.drawSelection(),
          cm.bracketMatching(),
          cm.closeBrackets(),
          cm.indentOnInput(),
          cm.autocompletion({
            override: [context => this._complete(context)],
            activateOnTyping: false,
            icons: false
          }),
          cm.syntaxHighlighting(cm.classHighlighter),
          cm.EditorView.lineWrapping,
          cm.placeholder("Code. Shift+Enter runs it."),
          cm.EditorView.contentAttributes.of({
            "aria-label": "Code",
            "aria-describedby": "keys",
            autocapitalize: "off",
            autocorrect: "off",
            spellcheck: "false"
          }),
          this._indent.of(cm.indentUnit.of("    ")),
          this._language.of([]),
          cm.keymap.of([...cm.closeBracketsKeymap, ...cm.defaultKeymap, ...cm.historyKeymap])
        ]
      })
    });
  }

  get code() {
    return this.view.state.doc.toString();
  }

  /** Put code into the editor, and the cursor behind it. */
  set code(text) {
    this.view.dispatch({
      changes: { from: 0, to: this.view.state.doc.length, insert: text },
      selection: { anchor: text.length },
      scrollIntoView: true
    });
  }

  focus() {
    this.view.focus();
  }

  /** Show code in the colours of a language; null: in none. */
  setLanguage(language) {
    this.language = language;
    this.view.dispatch({ effects: this._language.reconfigure(language ?? []) });
  }

  _keys() {
    const run = () => {
      this._does.run();
      return true;
    };
    return [
      { key: "Shift-Enter", run },
      { key: "Mod-Enter", run },
      { key: "Tab", run: () => this._tab(), shift: () => this._inspect() },
      { key: "ArrowUp", run: () => this._recall(-1) },
      { key: "ArrowDown", run: () => this._recall(1) },
      { key: "Ctrl-c", run: () => this._hasNoSelection() && this._does.interrupt() },
      {
        key: "Escape",
        run: () => cm.completionStatus(this.view.state) === null && this._does.escape()
      }
    ];
  }

  _hasNoSelection() {
    return this.view.state.selection.main.empty;
  }

  /** Complete; indent where there is nothing before the cursor; in an empty editor leave it. */
  _tab() {
    const { state } = this.view;
    if (state.doc.length === 0) {
      return false;
    }
    if (cm.completionStatus(state) === "active") {
      return cm.acceptCompletion(this.view);
    }
    const { head } = state.selection.main;
    const before = state.doc.lineAt(head).text.slice(0, head - state.doc.lineAt(head).from);
    return before.trim() === "" ? cm.indentMore(this.view) : cm.startCompletion(this.view);
  }

  _inspect() {
    if (this.view.state.doc.length === 0) {
      return false;
    }
    this._does.inspect(this.code, toCodePoints(this.code, this.view.state.selection.main.head));
    return true;
  }

  /** Go through the history where the cursor cannot go further. */
  _recall(step) {
    const { state } = this.view;
    const line = state.doc.lineAt(state.selection.main.head).number;
    const isAtEdge = step < 0 ? line === 1 : line === state.doc.lines;
    if (!isAtEdge || !this._hasNoSelection() || cm.completionStatus(state) !== null) {
      return false;
    }
    const code = step < 0 ? this._does.back(this.code) : this._does.forward(this.code);
    if (code !== null) {
      this.code = code;
    }
    return code !== null;
  }

  async _complete(context) {
    const code = context.state.doc.toString();
    const found = await this._does.complete(code, toCodePoints(code, context.pos));
    if (found === null || context.aborted || found.matches.length === 0) {
      return null;
    }
    const from = toCodeUnits(code, found.cursor_start);
    const to = toCodeUnits(code, found.cursor_end);
    if (found.matches.length === 1) {
      const insert = found.matches[0];
      this.view.dispatch({
        changes: { from, to, insert },
        selection: { anchor: from + insert.length }
      });
      return null;
    }
    const types = found.metadata?._jupyter_types_experimental ?? [];
    const kinds = new Map(types.map(one => [one.text, one.type]));
    return {
      from,
      to,
      options: found.matches.map(label => ({ label, detail: kinds.get(label) })),
      validFor: /^[\w.]*$/
    };
  }
}
