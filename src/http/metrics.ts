// This node's metrics in Prometheus' text format. All of them are read at the time of the scrape from what `status` and
// `member list` show anyway, so that the page, the command line and the alerts never tell different stories.
// Labels name peers by ID: names are the peers' own words, and may change or lie.
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Control, MemberView, StatusView } from "../node/control.ts";
import { keystoneState } from "./control-shapes.ts";

/** What one scrape reads. */
type Reading = { readonly status: StatusView; readonly members: readonly MemberView[] };
/** One sample of a metric; no labels for the only one. */
type Sample = readonly [value: number, labels?: Readonly<Record<string, string>>];
type Metric = {
  readonly name: string;
  readonly help: string;
  /** A counter's samples are totals since the node's start. */
  readonly is?: "counter";
  readonly labels?: readonly string[];
  read(reading: Reading): readonly Sample[];
};

const METRICS: readonly Metric[] = [
  {
    name: "keymesh_info",
    help: "This node: always 1.",
    labels: ["peer", "version", "mesh"],
    read: ({ status: { peerId, version, mesh } }) => [[1, { peer: peerId, version, mesh: mesh?.id ?? "" }]],
  },
  { name: "keymesh_members", help: "Members of the mesh.", read: ({ status }) => [[status.members]] },
  {
    name: "keymesh_member_connected",
    help: "Whether this node is connected to a member.",
    labels: ["peer"],
    read: ({ status, members }) =>
      others(status, members).map(({ peerId, connected }) => [Number(connected), { peer: peerId }]),
  },
  {
    name: "keymesh_member_in_sync",
    help: "Whether a member's last heartbeat told the same root as this node's.",
    labels: ["peer"],
    read: ({ status, members }) =>
      others(status, members).map(({ peerId, inSync }) => [Number(inSync), { peer: peerId }]),
  },
  {
    name: "keymesh_member_clock_offset_seconds",
    help: "How far a member's clock leads this node's.",
    labels: ["peer"],
    read: ({ members }) =>
      members.flatMap(({ peerId, heartbeat }): Sample[] =>
        heartbeat === null ? [] : [[heartbeat.offsetMs / 1_000, { peer: peerId }]],
      ),
  },
  {
    name: "keymesh_member_heard_timestamp_seconds",
    help: "When a member's last heartbeat came, by this node's clock.",
    labels: ["peer"],
    read: ({ members }) =>
      members.flatMap(({ peerId, heartbeat }): Sample[] =>
        heartbeat === null ? [] : [[heartbeat.heardMs / 1_000, { peer: peerId }]],
      ),
  },
  { name: "keymesh_records", help: "Records held.", read: ({ status }) => [[status.replica.records]] },
  {
    name: "keymesh_held_stamps",
    help: "Entries that wait because their stamps lead this node's clock.",
    read: ({ status }) => [[status.replica.heldStamps]],
  },
  {
    name: "keymesh_sync_sessions",
    help: "Sessions of this node that are fetching now.",
    read: ({ status }) => [[status.sync.length]],
  },
  {
    name: "keymesh_sync_to_fetch_records",
    help: "Records that those sessions still have to fetch, as far as is known.",
    read: ({ status }) => [[status.sync.reduce((sum, { toFetch, fetched }) => sum + toFetch - fetched, 0)]],
  },
  {
    name: "keymesh_rejections_total",
    help: "What was refused, by the peer to whom it is owed (- if unknown) and code.",
    is: "counter",
    labels: ["peer", "code"],
    read: ({ status }) => status.rejections.map(({ peerId, code, count }) => [count, { peer: peerId, code }]),
  },
  {
    name: "keymesh_alarms",
    help: "What needs an operator now, by kind.",
    labels: ["kind"],
    read: ({ status }) => [...tally(status.alarms.map(({ kind }) => kind))].map(([kind, count]) => [count, { kind }]),
  },
  {
    name: "keymesh_blocked_peers",
    help: "Peers that this cloud's operator blocked.",
    read: ({ status }) => [[status.blocked.length]],
  },
  {
    name: "keymesh_keystone_state",
    help: "This cloud's Keystone as the node sees it: 1 for the present state.",
    labels: ["state"],
    read: ({ status }) => keystoneState.options.map((state) => [Number(status.keystone.state === state), { state }]),
  },
  {
    name: "keymesh_keystone_scan_timestamp_seconds",
    help: "When the last whole scan ended.",
    read: ({ status: { keystone } }) => (keystone.lastScanMs === null ? [] : [[keystone.lastScanMs / 1_000]]),
  },
  {
    name: "keymesh_keystone_notifications_up",
    help: "1 while this Keystone's notifications come in and can be relied on; no sample where they are off.",
    read: ({ status: { keystone } }) =>
      keystone.notifications.state === "off" ? [] : [[Number(keystone.notifications.isFlowing)]],
  },
  {
    name: "keymesh_keystone_events_total",
    help: "Messages of Keystone's notifications, by what they tell and what became of them.",
    is: "counter",
    labels: ["type", "outcome"],
    read: ({ status: { keystone } }) =>
      keystone.notifications.events.map(({ type, outcome, count }) => [count, { type, outcome }]),
  },
  {
    name: "keymesh_keystone_events_captured_total",
    help: "Events that became entries.",
    is: "counter",
    read: ({ status: { keystone } }) => [[keystone.notifications.captured.count]],
  },
  {
    name: "keymesh_keystone_events_lag_seconds_total",
    help: "Time from those events to their entries, summed up.",
    is: "counter",
    read: ({ status: { keystone } }) => [[keystone.notifications.captured.sumMs / 1_000]],
  },
  { name: "keymesh_plan_pending", help: "Changes to write.", read: ({ status }) => [[status.keystone.pending]] },
  {
    name: "keymesh_plan_stuck",
    help: "Changes that Keystone refuses.",
    read: ({ status }) => [[status.keystone.stuck]],
  },
  {
    name: "keymesh_held",
    help: "Objects held back until an operator decides.",
    read: ({ status }) => [[status.keystone.held]],
  },
  {
    name: "keymesh_audit_waiting",
    help: "Audit events that are still to be written.",
    read: ({ status: { audit } }) => (audit === null ? [] : [[audit.waiting]]),
  },
  {
    name: "keymesh_audit_lost_total",
    help: "Audit events that were lost, as too many waited.",
    is: "counter",
    read: ({ status: { audit } }) => (audit === null ? [] : [[audit.lost]]),
  },
  {
    name: "keymesh_clock_offset_seconds",
    help: "How far this node's clock leads the median of the voters'.",
    read: ({ status: { clock } }) => (clock.offsetMs === null ? [] : [[clock.offsetMs / 1_000]]),
  },
  {
    name: "keymesh_clock_signing",
    help: "0 while this node's clock is so far off that it signs nothing.",
    read: ({ status }) => [[Number(status.clock.state !== "off")]],
  },
];

export class Metrics {
  readonly #control: Pick<Control, "status" | "members">;
  readonly #registry = new Registry();
  readonly #metrics: readonly { readonly metric: Metric; set(samples: readonly Sample[]): void }[];

  constructor(control: Pick<Control, "status" | "members">) {
    this.#control = control;
    collectDefaultMetrics({ register: this.#registry }); // The process: memory, event-loop lag, garbage collection.
    this.#metrics = METRICS.map((metric) => ({ metric, set: register(metric, this.#registry) }));
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** One scrape. Errors: those of the node's verbs. */
  async text(): Promise<string> {
    const reading = { status: await this.#control.status(), members: await this.#control.members() };
    for (const { metric, set } of this.#metrics) set(metric.read(reading));
    return this.#registry.metrics();
  }
}

function register({ name, help, labels = [], is }: Metric, registry: Registry): (samples: readonly Sample[]) => void {
  const options = { name, help, labelNames: [...labels], registers: [registry] };
  const instrument = is === "counter" ? new Counter(options) : new Gauge(options);
  return (samples) => {
    instrument.reset();
    if (labels.length === 0) instrument.remove(); // A reset leaves a 0 there, which would pass for a measurement.
    for (const [value, of = {}] of samples) instrument.inc(of, value);
  };
}

function others({ peerId }: StatusView, members: readonly MemberView[]): readonly MemberView[] {
  return members.filter((member) => member.peerId !== peerId && member.state === "active");
}

function tally(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}
