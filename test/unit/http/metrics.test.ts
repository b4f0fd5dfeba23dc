import { describe, expect, it } from "vitest";
import { Metrics } from "../../../src/http/metrics.ts";
import type { MemberView, StatusView } from "../../../src/node/control.ts";
import { PEER_A, PEER_B, STATUS } from "../../fixtures/fake-control.ts";

const member: MemberView = {
  peerId: PEER_B,
  name: "cloud-b",
  state: "active",
  voter: false,
  connected: true,
  addresses: [],
  root: null,
  inSync: false,
  refusesUs: false,
  heartbeat: { heardMs: 5_000, offsetMs: -250, keystone: "ok", version: "0.1.0", records: 12 },
};

function metricsOf(status: StatusView, members: readonly MemberView[] = [member]) {
  const shown = { status, members: [{ ...member, peerId: PEER_A, heartbeat: null }, ...members] };
  const metrics = new Metrics({
    status: () => Promise.resolve(shown.status),
    members: () => Promise.resolve(shown.members),
  });
  return { metrics, shown };
}

/** Our own samples, without the process's. */
async function samplesOf(metrics: Metrics): Promise<string[]> {
  return (await metrics.text()).split("\n").filter((line) => line.startsWith("keymesh_"));
}

describe("metrics", () => {
  it("tell what status and member list tell, with peers named by ID", async () => {
    const { metrics } = metricsOf(STATUS);
    const samples = await samplesOf(metrics);
    expect(samples).toEqual(
      expect.arrayContaining([
        `keymesh_info{peer="${PEER_A}",version="0.1.0",mesh="${"ab".repeat(32)}"} 1`,
        `keymesh_member_connected{peer="${PEER_B}"} 1`,
        `keymesh_member_in_sync{peer="${PEER_B}"} 0`,
        `keymesh_member_clock_offset_seconds{peer="${PEER_B}"} -0.25`,
        "keymesh_records 12",
        "keymesh_held_stamps 1",
        `keymesh_rejections_total{peer="${PEER_B}",code="BAD_SIGNATURE"} 3`,
        'keymesh_alarms{kind="duplicateKey"} 1',
        'keymesh_keystone_state{state="restored"} 1',
        'keymesh_keystone_state{state="ok"} 0',
        "keymesh_keystone_scan_timestamp_seconds 1",
        "keymesh_held 2",
        "keymesh_clock_offset_seconds -0.002",
      ]),
    );
    expect(samples.filter((line) => line.startsWith("keymesh_member_in_sync"))).toHaveLength(1); // Not of ourselves.
  });

  it("leave out what is not known, rather than show a zero", async () => {
    const { metrics } = metricsOf({
      ...STATUS,
      keystone: { ...STATUS.keystone, lastScanMs: null },
      clock: { driftMs: 0, state: "unjudged", offsetMs: null, why: null },
    });
    const samples = (await samplesOf(metrics)).join("\n");
    expect(samples).not.toContain("scan_timestamp");
    expect(samples).not.toContain("keymesh_clock_offset");
  });

  it("forget a peer that is gone, and count rejections up", async () => {
    const { metrics, shown } = metricsOf(STATUS);
    await metrics.text();
    shown.members = [];
    shown.status = { ...STATUS, rejections: STATUS.rejections.map((one) => ({ ...one, count: 5 })), alarms: [] };
    const samples = (await samplesOf(metrics)).join("\n");
    expect(samples).not.toContain("keymesh_member_connected");
    expect(samples).not.toContain("keymesh_alarms");
    expect(samples).toContain(`keymesh_rejections_total{peer="${PEER_B}",code="BAD_SIGNATURE"} 5`);
  });

  it("are answers that two scrapes at once both get whole", async () => {
    const { metrics } = metricsOf(STATUS);
    const [first, second] = await Promise.all([samplesOf(metrics), samplesOf(metrics)]);
    expect(first).toEqual(second);
  });
});
