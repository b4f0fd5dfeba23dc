// "Did you mean": the word of a few that is nearest to one mistyped.

/** The word at the least edit distance, if that is at most half the length; letters' case doesn't matter. */
export function nearestWord(typed: string, words: readonly string[]): string | undefined {
  const folded = typed.toLowerCase();
  const [best] = words
    .map((word) => ({ word, distance: editDistance(folded, word.toLowerCase()) }))
    .filter(({ word, distance }) => distance * 2 <= Math.max(word.length, typed.length))
    .sort((a, b) => a.distance - b.distance);
  return best?.word;
}

/** Levenshtein's distance, row by row. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
