/* How results of the site's search are ranked. Sphinx gives a page the points of its best word, so that one word in a
   title is worth as much as all of them, and then goes by the alphabet. Here each asked word in the title counts, and
   what is often asked stands before what developers read. Names of the API keep Sphinx's points. */

const OFTEN_ASKED = /^docs\/(how-to\/(?!index)|start$)/;
const FOR_DEVELOPERS = /^(CHANGELOG|CONTRIBUTING|docs\/(architecture|rewriting|decisions\/))/;

/** The words of a text as the index has them. */
function stemmed(text) {
  const stemmer = new Stemmer();
  const words = splitQuery(text.toLowerCase()).filter((word) => !stopwords.has(word));
  return new Set(words.map((word) => stemmer.stemWord(word)));
}

// biome-ignore lint/correctness/noUnusedVariables: Sphinx's searchtools.js looks for it by this name
var Scorer = {
  score([page, title, , , points, , kind]) {
    if (kind === "object") return points;
    const asked = stemmed(new URLSearchParams(window.location.search).get("q") ?? "");
    const named = stemmed(title);
    const share = [...asked].filter((word) => named.has(word)).length / Math.max(asked.size, 1);
    const first = OFTEN_ASKED.test(page) ? 8 : FOR_DEVELOPERS.test(page) ? -4 : 0;
    return first + 20 * share;
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
