// Rosters, proposals and the policy as people read them.
import type {
  ChangesView,
  NamedPeer,
  PolicyView,
  ProposalView,
  RosterView,
  SignatureView,
  WordView,
} from "../node/control-membership.ts";
import type { NewKey } from "./recovery-file.ts";
import { sheet } from "./table.ts";
import { counted, line, shortHash, shortPeer } from "./words.ts";

const INDENT = "    ";

/** One line for each thing that changes. */
export function changeLines(changes: ChangesView): string[] {
  const { name, admitThreshold, recovery } = changes;
  const peers: [string, readonly NamedPeer[]][] = [
    ["joins", changes.joined],
    ["no member any more", changes.gone],
    ["retired", changes.retired],
    ["brought back", changes.reinstated],
    ["voter from now on", changes.votersAdded],
    ["no voter any more", changes.votersRemoved],
  ];
  return [
    ...peers.filter(([, who]) => who.length > 0).map(([what, who]) => line`${what}: ${peersText(who)}`),
    ...(name === null ? [] : [line`name: ${name.from} -> ${name.to}`]),
    ...(admitThreshold === null
      ? []
      : [line`voters needed to admit a peer: ${admitThreshold.from} -> ${admitThreshold.to}`]),
    ...(recovery === null ? [] : [line`recovery key: ${keyText(recovery.from)} -> ${keyText(recovery.to)}`]),
  ];
}

function keyText(peerId: string | null): string {
  return peerId === null ? "none" : shortPeer(peerId);
}

/** What became of a proposal of this node's, or of its signature. */
export function outcomeText(proposal: ProposalView): string {
  const name = shortHash(proposal.hash);
  if (proposal.state === "lost") return `Roster ${name} lost: another one stands. See: keymesh mesh history`;
  if (proposal.state === "open") return proposalText(proposal);
  return [`Done: roster ${proposal.version} (${name}) stands.`, ...indented(changeLines(proposal.changes))].join("\n");
}

export function proposalsText(proposals: readonly ProposalView[]): string {
  if (proposals.length === 0) return "Nothing is proposed. To propose something: keymesh mesh policy --help";
  return proposals.map(proposalText).join("\n\n");
}

function proposalText({ hash, version, changes, signatures, proposedBy, missing, maySign }: ProposalView): string {
  const name = shortHash(hash);
  const votes = signatures.filter(({ counts }) => counts);
  return [
    `Proposal ${name} for roster ${version}:`,
    ...indented(changeLines(changes)),
    ...indented(proposedBy.length === 0 ? [] : [line`proposed by ${wordsText(proposedBy)}`]),
    ...indented([votes.length === 0 ? "not signed yet" : line`signed by ${wordsText(votes)}`]),
    ...indented([line`${counted(missing, "more vote")} needed, of: ${peersText(maySign) || "nobody"}`]),
    `A voter signs it with: keymesh mesh sign ${name}`,
  ].join("\n");
}

export function policyText(policy: PolicyView): string {
  const { roster, voters, majority, admitThreshold, recovery, members, notes } = policy;
  const key = recovery === null ? "none" : `${recovery.peerId}${recovery.counts ? "" : ", counts for nothing now"}`;
  const summary = sheet([
    ["mesh", `${policy.name} (${shortHash(policy.meshId)}), ${counted(members, "member")}`],
    ["roster", `${roster.version} (${shortHash(roster.hash)})`],
    ["voters", ...voters.map(({ name, peerId }) => `${name} ${peerId}`)],
    ["next roster", `needs ${majority} of ${counted(voters.length, "voter")}`],
    ["admission", `needs ${counted(admitThreshold, "voter")}`],
    ["recovery key", key],
  ]);
  return notes.length === 0 ? summary : `${summary}\n\n${notes.map((note) => line`Note: ${note}.`).join("\n")}`;
}

export function historyText(rosters: readonly RosterView[]): string {
  return rosters.map(rosterText).join("\n");
}

function rosterText({ hash, version, standing, why, changes, signatures, proposedBy }: RosterView): string {
  const heard = signatures.filter(({ counts }) => counts);
  const unheard = signatures.filter(({ counts }) => !counts);
  return [
    line`${version}  ${shortHash(hash)}  ${standing}: ${why}`,
    ...indented(changes === null ? [] : changeLines(changes)),
    ...indented(proposedBy.length === 0 ? [] : [line`proposed by ${wordsText(proposedBy)}`]),
    ...indented(heard.length === 0 ? [] : [line`signed by ${wordsText(heard)}`]),
    ...indented(unheard.length === 0 ? [] : [line`signed without a say by ${wordsText(unheard)}`]),
  ].join("\n");
}

/** Where a new recovery key is. */
export function newKeyText({ key, file }: NewKey): string {
  const where = file === undefined ? "Recovery key, shown this once:" : line`The recovery key is in ${file}`;
  return [
    where,
    ...(key === undefined ? [] : [`    ${key}`]),
    "Keep it away from this machine. While there are fewer than three voters it signs in place of one whose key is lost:",
    "keymesh mesh sign PROPOSAL --recovery-key FILE. Whoever holds it could do so too.",
  ].join("\n");
}

function wordsText(words: readonly (WordView | SignatureView)[]): string {
  return words.map(({ name, peerId, atMs }) => `${name} ${shortPeer(peerId)} at ${timeText(atMs)}`).join(", ");
}

/** UTC, to the second. A signer may claim any time that a stamp can bear. */
function timeText(ms: number): string {
  const at = new Date(ms);
  return Number.isNaN(at.getTime()) ? String(ms) : at.toISOString().replace(/\.\d+Z$/, "Z");
}

function peersText(peers: readonly NamedPeer[]): string {
  return peers.map(({ name, peerId }) => `${name} ${shortPeer(peerId)}`).join(", ");
}

function indented(lines: readonly string[]): string[] {
  return lines.map((each) => INDENT + each);
}
