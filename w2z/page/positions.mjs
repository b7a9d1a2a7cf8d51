/**
 * Places in a text. Jupyter counts Unicode code points, JavaScript UTF-16 code units: a character
 * beyond U+FFFF is one of the former and two of the latter.
 */

/** @returns {number} the code points before a place that is given in code units */
export function toCodePoints(text, unit) {
  let count = 0;
  for (const character of text.slice(0, unit)) {
    count += character.length > 0 ? 1 : 0;
  }
  return count;
}

/** @returns {number} the code units before a place that is given in code points */
export function toCodeUnits(text, point) {
  let units = 0;
  let points = 0;
  for (const character of text) {
    if (points >= point) {
      break;
    }
    points += 1;
    units += character.length;
  }
  return units;
}
