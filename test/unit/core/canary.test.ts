import { describe, expect, it } from "vitest";
import { type CanaryFound, type CanaryMemory, judgeCanary, openCanary, sealCanary } from "../../../src/core/canary.ts";
import { idOf, peerOf } from "../../fixtures/peers.ts";

const SELF = peerOf(1);
const HERE = idOf("a");
const OTHER = idOf("b");
const REMEMBERED: CanaryMemory = { projectId: HERE, generation: 5, raising: null };

function mark(generation: number, { projectId = HERE, by = SELF }: { projectId?: string; by?: typeof SELF } = {}) {
  return { is: "mark", projectId, mark: { peerId: by.peerId, generation } } as const satisfies CanaryFound;
}

function judge(found: CanaryFound, memory: CanaryMemory | undefined = REMEMBERED, remaining = 1): string {
  return judgeCanary({ found, memory, self: SELF.peerId, remaining });
}

describe("judgeCanary", () => {
  it("is content with the last known generation, and with one whose raise was under way", () => {
    expect(judge(mark(5))).toBe("ok");
    expect(judge(mark(6), { ...REMEMBERED, raising: 6 })).toBe("ok");
    expect(judge(mark(5), { ...REMEMBERED, raising: 6 })).toBe("ok");
  });

  it("tells a restored Keystone from a restored node", () => {
    expect(judge(mark(4))).toBe("restored");
    expect(judge(mark(6))).toBe("nodeRestored");
    expect(judgeCanary({ found: mark(1), memory: undefined, self: SELF.peerId, remaining: 1 })).toBe("nodeRestored");
  });

  it("takes an older canary project of ours for what it is: out of a backup", () => {
    expect(judge(mark(4, { projectId: OTHER }))).toBe("restored");
    expect(judge(mark(5, { projectId: OTHER }))).toBe("restored");
    expect(judge(mark(6, { projectId: OTHER }))).toBe("nodeRestored");
  });

  it("tells a wiped Keystone from a deleted canary by what else is gone", () => {
    expect(judge({ is: "absent" }, REMEMBERED, 0)).toBe("wiped");
    expect(judge({ is: "absent" }, REMEMBERED, 0.5)).toBe("wiped");
    expect(judge({ is: "absent" }, REMEMBERED, 0.6)).toBe("canaryMissing");
    expect(judge({ is: "blank", projectId: HERE })).toBe("canaryMissing");
    expect(judgeCanary({ found: { is: "absent" }, memory: undefined, self: SELF.peerId, remaining: 1 })).toBe("first");
  });

  it("stops where another key signed, or nobody did", () => {
    expect(judge(mark(5, { by: peerOf(2) }))).toBe("contested");
    expect(judge({ is: "unreadable", projectId: HERE })).toBe("contested");
  });
});

describe("a canary's mark", () => {
  it("opens for the project that it was sealed for, and for no other", () => {
    const sealed = sealCanary({ projectId: HERE, generation: 7 }, SELF.signer);
    expect(openCanary(HERE, sealed)).toEqual({ peerId: SELF.peerId, generation: 7 });
    expect(openCanary(OTHER, sealed)).toBeUndefined();
    expect(openCanary(HERE, sealed.replace(" 7 ", " 8 "))).toBeUndefined();
    for (const text of ["", "x", null, 7, `${SELF.peerId} 7`, `${SELF.peerId} -1 ${"A".repeat(86)}`])
      expect(openCanary(HERE, text)).toBeUndefined();
  });
});
