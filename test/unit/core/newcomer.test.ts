// A newcomer has no roster yet: it takes the control set, and nothing else, from the member that it came through.
import { expect, it } from "vitest";
import { Replica } from "../../../src/core/replica.ts";
import { CONTROL_SET, domainSet } from "../../../src/core/set-name.ts";
import { CLOCK, idOf, meshOf, peerOf } from "../../fixtures/peers.ts";

it("shares the control set alone until the roster has come, and then with members alone", () => {
  const [founder, self, stranger] = [peerOf(1), peerOf(2), peerOf(3)];
  const mesh = meshOf(founder);
  const domain = domainSet(founder.peerId, idOf("d"));
  const replica = new Replica({ meshId: mesh.meshId, self: self.peerId });
  const may = (peerId: typeof founder.peerId) =>
    [CONTROL_SET, domain].map((set) => [replica.mayHold(set, peerId), replica.mayOffer(set, peerId)]);
  expect(may(founder.peerId)).toEqual([
    [true, true],
    [false, false],
  ]);
  replica.join(mesh.entries, CLOCK);
  expect(may(founder.peerId)[0]).toEqual([true, true]);
  expect(may(stranger.peerId)).toEqual([
    [false, false],
    [false, false],
  ]);
});
