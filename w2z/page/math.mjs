/**
 * Formulas in Markdown. Markdown would take their underscores, stars and backslashes for its own, so
 * they are taken out before it is read, and put back behind.
 */

const FORMULA =
  /(`+)[\s\S]*?\1|\$\$[\s\S]+?\$\$|\\\[[\s\S]+?\\\]|\\\([\s\S]+?\\\)|\\begin\{(\w+\*?)\}[\s\S]+?\\end\{\2\}|\$(?=\S)(?:\\.|[^$\\\n])*?[^\s\\]\$(?!\d)/g;

/**
 * @param {string} text Markdown
 * @returns {{text: string, formulas: string[]}} the text with a mark in the place of each formula
 */
export function takeFormulas(text) {
  const formulas = [];
  const marked = text.replace(FORMULA, (found, code) => {
    if (code) {
      return found;
    }
    formulas.push(found);
    return `\uE000${formulas.length - 1}\uE001`;
  });
  return { text: marked, formulas };
}

/** Put the formulas back in the place of their marks. */
export function putFormulas(text, formulas) {
  return text.replace(/\uE000(\d+)\uE001/g, (mark, index) => formulas[Number(index)] ?? mark);
}

/** Delimiters that KaTeX is told, for text that has formulas in it. */
export const DELIMITERS = [
  { left: "$$", right: "$$", display: true },
  { left: "\\[", right: "\\]", display: true },
  { left: "$", right: "$", display: false },
  { left: "\\(", right: "\\)", display: false },
  ...["equation", "equation*", "align", "align*", "gather", "gather*", "alignat", "CD"].map(
    name => ({
      left: `\\begin{${name}}`,
      right: `\\end{${name}}`,
      display: true
    })
  )
];

/** @returns {string} LaTeX as kernels send it, with delimiters around it if it has none */
export function delimited(latex) {
  const text = latex.trim();
  const has = DELIMITERS.some(({ left }) => text.includes(left));
  return has ? text : `$$${text}$$`;
}
