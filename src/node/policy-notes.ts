// What an operator should know of a mesh's policy: what would stop the mesh, and what to do before it does.
import { RECOVERY_VOTERS_BELOW } from "../core/limits.ts";
import type { Membership, Roster } from "../core/membership.ts";
import type { PeerId } from "../core/peer-id.ts";

/** One line each, the most urgent first. */
export function policyNotes(
  { alarms, members, proposals }: Membership,
  roster: Roster,
  nameOf: (peerId: PeerId) => string,
): string[] {
  const { voters, recovery } = roster;
  const few = `fewer than ${RECOVERY_VOTERS_BELOW} voters`;
  const notes: string[] = [];
  for (const { rival } of alarms)
    notes.push(`a rival roster ${rival.slice(0, 12)} has a majority too: keymesh mesh history`);
  const gone = voters.filter((voter) => !members.has(voter));
  for (const voter of gone)
    notes.push(`voter ${nameOf(voter)} left: keymesh mesh policy --remove-voter ${voter} lowers the majority`);
  if (voters.length < RECOVERY_VOTERS_BELOW)
    notes.push(
      recovery === undefined
        ? `${few} and no recovery key: a lost key could stop the mesh. keymesh mesh policy --new-recovery-key makes one, --add-voter PEERID a voter`
        : `${few}: the recovery key stands in for one that is lost (keymesh mesh sign --help). Keep it where you will find it`,
    );
  else if (recovery !== undefined) notes.push(`${voters.length} voters: the recovery key counts for nothing now`);
  if (proposals.length > 0) notes.push(`open proposals: ${proposals.length}, see keymesh mesh proposals`);
  return notes;
}
