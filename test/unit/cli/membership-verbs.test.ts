// What an operator types about membership, over a real control socket, to a fake node; and the recovery key's way.
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { type MeshId, openEntry } from "../../../src/core/codec.ts";
import { recoveryKeyText, recoverySigner } from "../../../src/core/recovery-key.ts";
import { PEER_A, PEER_B } from "../../fixtures/fake-control.ts";
import { PROPOSAL } from "../../fixtures/fake-membership.ts";
import { useTypedVerbs } from "../../fixtures/typed-verbs.ts";

const node = useTypedVerbs();
const keymesh = (words: string) => node().keymesh(words);

const NAME = PROPOSAL.hash.slice(0, 12);

describe("verbs about membership", () => {
  it.each([
    [`member admit ${PEER_B}`, { admit: { peerId: PEER_B } }, `Admitted ${PEER_B}`],
    [`member admit ${PEER_B} --name strict`, { admit: { peerId: PEER_B, name: "strict" } }, "1 of 2 votes"],
    [`member retire ${PEER_B}`, { retire: { peerId: PEER_B } }, `keymesh domain revoke ${"6f".repeat(16)} ${PEER_B}`],
    ["member leave", "leave", "Left mesh federation, and told 1 member"],
    ["mesh proposals", "proposals", `keymesh mesh sign ${NAME}`],
    [`mesh sign ${NAME} --rival`, { sign: { proposal: NAME, rival: true } }, "1 more vote needed"],
    [`mesh follow ${PROPOSAL.hash}`, { follow: PROPOSAL.hash }, `Following roster 1 (${NAME})`],
    ["mesh policy", "policy", "Note: fewer than 3 voters."],
    ["mesh history", "history", "signed without a say by"],
    [
      `mesh policy --voters ${PEER_A},${PEER_B} --admit-threshold 2`,
      { changePolicy: { voters: [PEER_A, PEER_B], admitThreshold: 2 } },
      "voters needed to admit a peer: 1 -> 2",
    ],
    [
      `mesh policy --add-voter ${PEER_A} --add-voter ${PEER_B} --no-recovery-key --reinstate ${PEER_A}`,
      { changePolicy: { addVoters: [PEER_A, PEER_B], reinstate: [PEER_A], recovery: null } },
      `Proposal ${NAME}`,
    ],
  ])("%s", async (typed, call, says) => {
    const human = await keymesh(typed);
    expect(human).toMatchObject({ code: 0, printed: expect.stringContaining(says), said: "" });
    expect(human.printed, "no name steers the terminal").not.toMatch(/[^\P{Cc}\n]|\u202e/u);
    const program = await keymesh(`${typed} --json`);
    expect(JSON.parse(program.printed)).toBeTypeOf("object");
    expect(node().control.calls).toEqual([call, call]);
  });

  it("take no word for another: nothing is asked of the node", async () => {
    for (const typed of [
      "member retire cloud-b",
      "mesh sign 3aa9",
      "mesh follow NAME-OF-A-ROSTER",
      `mesh policy --voters ${PEER_A},cloud-b`,
      "mesh policy --admit-threshold 0",
    ])
      expect(await keymesh(typed)).toMatchObject({ code: 2, said: expect.stringContaining("keymesh: ") });
    expect(node().control.calls).toEqual([]);
  });
});

describe("the recovery key", () => {
  const made = z.object({ recovery: z.object({ peerId: z.string(), key: z.string().optional() }) });
  const signCall = z.object({
    sign: z.object({ byRecoveryKey: z.object({ entry: z.base64(), signature: z.base64() }) }),
  });

  it("is shown once by mesh create, and the node is told its peer ID alone", async () => {
    const { printed } = await keymesh("mesh create federation --json");
    const { recovery } = made.parse(JSON.parse(printed));
    expect(recoverySigner(recovery.key ?? "")?.peerId).toBe(recovery.peerId);
    expect(node().control.calls).toEqual([{ createMesh: { name: "federation", recovery: recovery.peerId } }]);
    expect((await keymesh("mesh create federation")).printed).toMatch(
      /^Founded .*\n\nRecovery key, shown this once:\n {4}keymesh-recovery-1-/,
    );
    expect((await keymesh("mesh create federation --no-recovery-key")).printed).not.toContain("ecovery");
  });

  it("goes to a file that only its owner may read, is never written over another, and is gone if there is no mesh", async () => {
    const file = join(node().data, "recovery.key");
    const { code, printed } = await keymesh("mesh create federation --recovery-file recovery.key");
    expect([code, printed.includes("keymesh-recovery-1-")]).toEqual([0, false]);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const before = await readFile(file, "utf8");
    expect(recoverySigner(before)).toBeDefined();
    const again = await keymesh("mesh create federation --recovery-file recovery.key --json");
    expect(JSON.parse(again.said)).toMatchObject({ error: { code: "RECOVERY_FILE_EXISTS" } });
    expect(await readFile(file, "utf8")).toBe(before);
    await node().stop();
    expect(await keymesh("mesh create federation --recovery-file other.key")).toMatchObject({ code: 1 });
    await expect(stat(join(node().data, "other.key"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  it("signs a proposal here, and is not told to the node", async () => {
    const key = recoveryKeyText(new Uint8Array(32).fill(7));
    const file = join(node().data, "safe.txt");
    await writeFile(file, `from the safe:\n${key}\n`);
    await chmod(file, 0o644);
    const open = await keymesh(`mesh sign ${NAME} --recovery-key safe.txt --json`);
    expect(JSON.parse(open.said)).toMatchObject({ error: { code: "RECOVERY_FILE_MODE" } });
    await chmod(file, 0o600);
    expect(await keymesh(`mesh sign ${NAME} --recovery-key safe.txt`)).toMatchObject({ code: 0, said: "" });
    const { entry, signature } = signCall.parse(node().control.calls.at(-1)).sign.byRecoveryKey;
    const opened = openEntry(PROPOSAL.meshId as MeshId, [
      Buffer.from(entry, "base64"),
      Buffer.from(signature, "base64"),
    ]);
    if (!opened.ok) throw new Error(opened.rejection.detail);
    expect(opened.value).toMatchObject({
      kind: "roster",
      id: PROPOSAL.hash,
      stamp: { origin: recoverySigner(key)?.peerId },
    });
    expect(JSON.stringify(node().control.calls)).not.toContain(key.slice(-32));
    const none = await keymesh("mesh sign 00000000 --recovery-key safe.txt --json");
    expect(JSON.parse(none.said)).toMatchObject({ error: { code: "UNKNOWN_PROPOSAL" } });
  });
});
