// Grants and their scopes as texts: what a row says of a capability, and what a typed text or a switch asks for.

/** @import { CapabilityRow, ImportRow } from "../messages.d.ts" */

/** @type {{ [tag: string]: [string, string] }} */
export const CAPABILITY_TAGS = {
  missing: ["asked for, not granted", "It asks for this and does not have it."],
  unasked: ["granted, not asked for", "It has this although neither its manifest nor its imports ask for it."],
  asked: ["asked for", "Its manifest asks for this."],
  imported: ["imported", "It imports a function that takes this; its manifest does not ask for it."],
  refused: ["asked for, cannot be granted", "Its manifest asks for this with a scope that is none."],
  revoked: ["was granted", "It had this before, although neither its manifest nor its imports ask for it."],
};

/** @param {Pick<CapabilityRow, "asked" | "granted" | "imported" | "refused">} row */
export function tagOf(row) {
  if (row.asked.length) return row.granted ? "asked" : "missing";
  if (row.imported) return "imported";
  if (row.granted) return "unasked";
  return row.refused.length ? "refused" : "revoked";
}

/**
 * What a row says of an import: the kind of its tag, the tag, and what explains it.
 *
 * @param {Pick<ImportRow, "asked" | "by" | "grant" | "granted">} row
 * @returns {[string, string, string]}
 */
export function importTag({ asked, by, grant, granted }) {
  if (!granted && asked) return ["missing", ...CAPABILITY_TAGS.missing];
  if (!granted) return ["off", "not granted", "A call of it is denied."];
  const wider = by.filter((held) => held !== grant).join(", ");
  if (!wider) return ["on", "granted", `It is granted by itself: ${grant}`];
  return ["wider", `allowed by ${wider}`, `It stays allowed until this is taken away: ${wider}`];
}

/**
 * The scopes of grants, as they are written.
 *
 * @param {string[]} grants
 */
export const scopesOf = (grants) =>
  grants.filter((grant) => grant.includes("=")).map((grant) => grant.slice(grant.indexOf("=") + 1));

/**
 * Several scopes as they are typed. A scope may have a comma in it, but no space after one.
 *
 * @param {string} text
 */
export const scopesIn = (text) =>
  text
    .split(/,\s+|,$|,(?=https?:)/)
    .map((scope) => scope.trim())
    .filter(Boolean);

/**
 * What switching a capability on grants: the scopes that were typed beside it, else what the kernel offers.
 *
 * @param {Pick<CapabilityRow, "name" | "offered">} row
 * @param {string} typed
 */
export const grantsFor = (row, typed) => (typed ? scopesIn(typed).map((scope) => `${row.name}=${scope}`) : row.offered);
