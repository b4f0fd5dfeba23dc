// Revoking as DESIGN section 4 says: the owner first writes, as its own, every value that the signer's word decides now,
// then takes the scope away. A stand-in until the core has it.
import type { FieldValue } from "../../src/core/entry.ts";
import { SCOPES, type Scope, SIGNER_PREFIX, scopeOf } from "../../src/core/kinds.ts";
import type { PeerId } from "../../src/core/peer-id.ts";
import type { Write } from "../../src/core/replica.ts";
import type { Shared } from "./founding.ts";
import type { Simulation } from "./simulation.ts";

export async function revoke(
  simulation: Simulation,
  { owner, set, domainId }: Shared,
  taken: { from: PeerId; scopes: readonly Scope[] },
): Promise<void> {
  const keeper = owner.membered?.keeper;
  if (keeper === undefined || taken.scopes.length === 0) return;
  const { replica } = keeper;
  const key = { set, kind: "authority", id: domainId };
  const held = replica.field(key, SIGNER_PREFIX + taken.from)?.value as Record<string, FieldValue> | undefined;
  if (held === undefined) return;
  const rewrites: Write[] = [];
  for (const { key: about } of replica.set(set)?.records() ?? []) {
    if (about.kind !== "project" && about.kind !== "domain") continue;
    const fields: Record<string, FieldValue> = {};
    for (const [field, { value, entry }] of replica.fields(about))
      if (entry.stamp.origin === taken.from && taken.scopes.includes(scopeOf(entry.fields, field)))
        fields[field] = value;
    if (Object.keys(fields).length > 0) rewrites.push({ ...about, fields });
  }
  simulation.checks.operating.add(owner);
  const writing = keeper.write((next) => {
    const kept = SCOPES.filter((scope) => held[scope] !== undefined && !taken.scopes.includes(scope));
    const value: Record<string, FieldValue> = { takenAt: [next.wallMs, next.counter + rewrites.length] };
    for (const scope of kept) value[scope] = held[scope] as FieldValue;
    return [...rewrites, { ...key, fields: { [SIGNER_PREFIX + taken.from]: value } }];
  });
  simulation.checks.operating.delete(owner);
  simulation.happened.count("revoke");
  await writing;
}
