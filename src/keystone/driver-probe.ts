// Whether the driver plugin is at work: asks for a project that no Keystone can make, and reads why not.
// The table of answers is in src/keystone-plugin/README.md.
import { readProject, refusal, unwrap } from "./answers.ts";
import { type DriverState, KeystoneError } from "./api.ts";
import type { Session } from "./session.ts";

const PROBE = "keymesh-probe";
const HINT = "install keymesh's driver plugin in Keystone and set [resource] driver = keymesh";

/** `absentId` is the ID of no project: 32 random lower-case hex digits. Errors: those of a write. */
export async function probeDriver(session: Session, absentId: string): Promise<DriverState> {
  const project = {
    name: PROBE,
    domain_id: (await session.sees()).domainId ?? "default",
    parent_id: absentId,
    explicit_project_id: PROBE,
  };
  const operation = "POST /v3/projects (probe)";
  // A read in the sense that matters: it can be sent again.
  const answer = await session.send({ method: "POST", path: "/v3/projects", body: { project }, read: true });
  if (answer.status === 201) {
    const made = readProject(unwrap(answer.json, "project", operation), operation);
    await session.send({ method: "DELETE", path: `/v3/projects/${made.id}`, read: false });
    return { explicitIds: false, detail: `Keystone made the probe ${made.id} instead of refusing it: ${HINT}` };
  }
  const why = refusal(answer, operation);
  const names = (words: string) => why.message.includes(words);
  if (why.code === "BAD_REQUEST")
    return names("explicit_project_id")
      ? { explicitIds: true, detail: "the driver plugin is at work", compareAndSet: names("keymesh_expect") }
      : { explicitIds: false, detail: `Keystone would choose IDs of its own: ${HINT}` };
  if (why.code === "FORBIDDEN" && names("keymesh:explicit_project_id"))
    return {
      explicitIds: false,
      detail:
        "the driver plugin is at work, but our login may not choose IDs: give its user the role admin on the system, or change the policy keymesh:explicit_project_id (keymesh keystone policy prints one)",
    };
  throw new KeystoneError(why.code, `can't see whether the driver plugin is at work: ${why.message}`, {
    operation,
    status: answer.status,
    cause: why,
  });
}
