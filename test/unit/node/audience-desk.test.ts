// Who may hold a domain, from its owner's node: named members only, cut again, told so even later, and never by accident.
import { describe, expect, it } from "vitest";
import { openStored } from "../../../src/core/codec.ts";
import type { PeerId } from "../../../src/core/peer-id.ts";
import { parseKeystoneId } from "../../../src/core/set-name.ts";
import { decodeRequest, encodeAnswer, HELLO } from "../../../src/core/sync-messages.ts";
import type { Mesh } from "../../../src/mesh/mesh-types.ts";
import { MESH, OWNER, SIGNERS } from "../../fixtures/cloud.ts";
import type { TestPeer } from "../../fixtures/peers.ts";
import { type QuietDisk, type QuietNode, quietDisk, startQuietNode } from "../../fixtures/quiet-node.ts";

const [B, C] = SIGNERS as readonly [TestPeer, TestPeer];

/** Members that take whatever is pushed to them, while they are connected, and refuse to talk of anything else. */
class Listeners {
  readonly heard: { readonly by: PeerId; readonly kind: string; readonly fields: object }[] = [];
  connected: PeerId[] = [];

  get mesh(): Partial<Mesh> {
    return {
      connected: () => this.connected,
      openSync: async (peer) => ({
        ask: async (bytes) => {
          const request = decodeRequest(bytes);
          if (!request.ok) throw new Error("no request");
          if (request.value.is === "hello") return encodeAnswer(HELLO);
          if (request.value.is !== "offer") throw new Error("not today");
          for (const wire of request.value.entries) {
            const entry = openStored(MESH.meshId, wire);
            if (entry.ok) this.heard.push({ by: peer, kind: entry.value.kind, fields: entry.value.fields });
          }
          return encodeAnswer({ is: "taken" });
        },
        close: () => Promise.resolve(),
      }),
    };
  }
}

async function owner(listeners: Listeners, db?: QuietDisk): Promise<{ quiet: QuietNode; domainId: string }> {
  const quiet = await startQuietNode({}, { mesh: listeners.mesh, ...(db === undefined ? {} : { db }) });
  const { id } = await quiet.model.admin.createDomain({ name: "shared", description: "", enabled: true });
  return { quiet, domainId: parseKeystoneId(id ?? "") ?? "" };
}

describe("an audience", () => {
  it("is who was named, and changes only where that was said", async () => {
    const { quiet, domainId } = await owner(new Listeners());
    await using node = quiet;
    const share = (more: object = {}) => node.play(node.operator.shareDomain({ domain: "shared", ...more }));
    await expect(share({ with: ["12D3KooWnobody"] })).rejects.toMatchObject({ code: "NOT_A_MEMBER" });
    expect(await share({ with: [B.peerId] })).toMatchObject({ id: domainId, audience: [B.peerId] });
    expect(await share(), "said again without names").toMatchObject({ audience: [B.peerId] });
    const grant = node.operator.grant({ domain: "shared", peerId: C.peerId, scopes: ["update"] });
    await expect(node.play(grant)).rejects.toMatchObject({ code: "NOT_IN_AUDIENCE" });
    await expect(share({ with: [C.peerId] })).rejects.toMatchObject({ code: "WOULD_CUT" });
    expect(await share({ with: [B.peerId, C.peerId] }), "wider cuts nobody").toMatchObject({
      audience: [B.peerId, C.peerId].sort(),
    });
    expect(await share({ with: [C.peerId], confirmed: true })).toMatchObject({ audience: [C.peerId] });
    expect(await share({ with: "everyone" })).toMatchObject({ audience: null });
  });

  it("tells who is cut, once it is there, though the owner was started anew; and no more than that it was cut", async () => {
    const db = quietDisk();
    const listeners = new Listeners();
    const { quiet } = await owner(listeners, db);
    await quiet.play(quiet.operator.shareDomain({ domain: "shared", with: [B.peerId, C.peerId] }));
    await quiet.play(quiet.operator.grant({ domain: "shared", peerId: C.peerId, scopes: ["update"] }));
    const cut = await quiet.play(quiet.operator.shareDomain({ domain: "shared", with: [C.peerId], confirmed: true }));
    expect(cut).toMatchObject({ untold: [B.peerId] });
    await quiet[Symbol.asyncDispose]();

    await using again = await startQuietNode({}, { db, model: quiet.model, mesh: listeners.mesh });
    expect(await again.operator.domains()).toMatchObject([{ untold: [B.peerId] }]);
    listeners.connected = [B.peerId];
    await again.play(again.node.membered?.words.tell(B.peerId) ?? Promise.resolve());
    expect(listeners.heard).toEqual([{ by: B.peerId, kind: "authority", fields: { audience: [C.peerId] } }]);
    expect(await again.operator.domains()).toMatchObject([{ untold: [] }]);
  });

  it("ends with unshare, after it was said who loses it; and begins again only with a name", async () => {
    const listeners = new Listeners();
    const { quiet, domainId } = await owner(listeners);
    await using node = quiet;
    await node.play(node.operator.shareDomain({ domain: domainId }));
    const preview = await node.operator.unshareDomain({ domain: domainId });
    expect(preview).toMatchObject({ done: false, peers: { length: 3 } });
    expect(await node.operator.domains()).toMatchObject([{ audience: null, agreement: "mirror" }]);
    const done = await node.play(node.operator.unshareDomain({ domain: domainId, confirmed: true }));
    expect(done).toMatchObject({ done: true, untold: [OWNER.peerId, B.peerId, C.peerId].sort() });
    expect(await node.operator.domains()).toMatchObject([{ audience: [], agreement: "none" }]);
    const again = (more: object = {}) => node.play(node.operator.shareDomain({ domain: domainId, ...more }));
    await expect(again()).rejects.toMatchObject({ code: "UNSHARED" });
    expect(await again({ with: "everyone" })).toMatchObject({ audience: null, agreement: "mirror" });
  });
});
