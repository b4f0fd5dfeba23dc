// What an operator types as a domain's owner, over a real control socket, to a fake node.
import { describe, expect, it } from "vitest";
import { transferText } from "../../../src/cli/domain-handover.ts";
import { revokedText } from "../../../src/cli/domain-signers.ts";
import { DOMAIN_ID, PEER_A, PEER_B, REVOKED } from "../../fixtures/fake-control.ts";
import { useTypedVerbs } from "../../fixtures/typed-verbs.ts";

const node = useTypedVerbs();
const keymesh = (words: string) => node().keymesh(words);

const PROJECT = "1".repeat(32);
const share = (more: object) => ({ shareDomain: { domain: "research", ...more } });

describe("an owner's verbs", () => {
  it.each([
    ["domain share research", share({}), "Shared research"],
    [`domain share research --with ${PEER_A} --with ${PEER_B}`, share({ with: [PEER_A, PEER_B] }), "told when next"],
    ["domain share research --everyone --yes", share({ with: "everyone", confirmed: true }), "Shared research"],
    ["domain share research --anew", share({ anew: true }), "Shared research"],
    ["domain unshare x", { unshareDomain: { domain: "x", confirmed: false } }, `domain unshare ${DOMAIN_ID} --yes`],
    ["domain unshare x --yes", { unshareDomain: { domain: "x", confirmed: true } }, "Unshared research"],
    [`domain revoke x ${PEER_B}`, { revoke: { domain: "x", peerId: PEER_B } }, "Nothing was done."],
    [
      `domain revoke x ${PEER_B} update,delete --undo-deletes ${PROJECT} --yes`,
      {
        revoke: {
          domain: "x",
          peerId: PEER_B,
          scopes: ["update", "delete"],
          undoDeletes: [PROJECT],
          confirmed: true,
        },
      },
      "Took update in research",
    ],
    [
      `domain transfer x ${PEER_B}`,
      { transferDomain: { domain: "x", peerId: PEER_B, confirmed: false } },
      `domain transfer ${DOMAIN_ID} ${PEER_B} --yes`,
    ],
    ["domain take x", { takeDomain: { domain: "x" } }, "owns research"],
    [
      `domain signer ${DOMAIN_ID} ${PEER_B}`,
      { signer: { domain: DOMAIN_ID, peerId: PEER_B } },
      "a member and may update",
    ],
    [
      `domain accept x --owner ${PEER_B} --replace`,
      { acceptDomain: { domain: "x", owner: PEER_B, replace: true } },
      "Accepted research",
    ],
  ])("%s", async (typed, call, says) => {
    const human = await keymesh(typed);
    expect(human).toMatchObject({ code: 0, printed: expect.stringContaining(says) });
    const program = await keymesh(`${typed} --json`);
    expect(JSON.parse(program.printed)).toBeTypeOf("object");
    expect(node().control.calls).toEqual([call, call]);
  });

  it("say no more than they were told", async () => {
    for (const typed of [
      `domain share x --with ${PEER_A} --everyone`,
      "domain share x --with cloud-b",
      `domain revoke x ${PEER_B} rename`,
      `domain revoke x ${PEER_B} --undo-deletes web`,
      "domain transfer x cloud-b --yes",
    ])
      expect(await keymesh(typed)).toMatchObject({ code: 2, said: expect.stringContaining("keymesh: ") });
    expect(node().control.calls).toEqual([]);
  });

  it("show what a revoke comes to, and no name as a peer chose it", () => {
    const text = revokedText(REVOKED);
    expect(text).toMatch(/Would take update in research from .*; it keeps create\./);
    expect(text).toContain("3 values of 2 records");
    expect(text).toMatch(/Deleted by it, and stays so .*: 1\nNAME +ID\nold /);
    expect(text).toContain(`keymesh domain revoke ${DOMAIN_ID} ${PEER_B} update --yes`);
    const peers = [{ peerId: PEER_B, name: REVOKED.peerName, agreement: "observe" as const }];
    const passed = transferText({ id: DOMAIN_ID, name: "research", peers, untold: [], projects: 1, done: false });
    expect(passed).toContain("must accept the domain as mirror");
    for (const shown of [text, passed]) expect(shown).not.toMatch(/[^\P{Cc}\n]|\u202e/u);
  });
});
