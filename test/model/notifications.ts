// The model Keystone's events as a node hears them from a broker: at once, or as a test's own `carry` brings them, which may
// lose, repeat or delay any. Every request that nobody marked is some admin's.
import type { UnixMs } from "../../src/core/stamp.ts";
import type { KeystoneEvent } from "../../src/keystone/notification.ts";
import type { NotificationHandlers, NotificationSource, SourceState } from "../../src/keystone/notifications.ts";
import type { ModelEvent, ModelKeystone } from "./keystone.ts";

export class ModelNotifications implements NotificationSource {
  state: SourceState = { state: "connecting", sinceMs: 0 as UnixMs, reason: null };
  /** Brings an event to the node by calling `deliver`, whenever and as often as it likes. */
  carry: (event: KeystoneEvent, deliver: () => void) => void = (_event, deliver) => deliver();
  readonly #now: () => UnixMs;
  #handlers: NotificationHandlers | undefined;

  constructor({ model, now }: { model: Pick<ModelKeystone, "onEvent">; now: () => UnixMs }) {
    this.#now = now;
    model.onEvent((event) => this.#told(eventOf(event)));
  }

  start(handlers: NotificationHandlers): void {
    this.#handlers = handlers;
    this.connect();
  }

  async stop(): Promise<void> {
    this.#handlers = undefined;
  }

  connect(): void {
    this.state = { state: "connected", sinceMs: this.#now(), reason: null };
    this.#handlers?.onGap("the broker was reached");
  }

  disconnect(): void {
    this.state = { state: "connecting", sinceMs: this.#now(), reason: "the broker is away" };
    this.#handlers?.onLoss("the broker is away");
  }

  #told(event: KeystoneEvent): void {
    const handlers = this.#handlers;
    if (handlers === undefined || this.state.state !== "connected") return;
    this.carry(event, () => {
      if (handlers === this.#handlers && this.state.state === "connected") handlers.onEvent(event);
    });
  }
}

function eventOf({ eventType, id, requestId }: ModelEvent): KeystoneEvent {
  const change = eventType.split(".")[2];
  if (change !== "created" && change !== "updated" && change !== "deleted") throw new Error(`no event: ${eventType}`);
  return {
    kind: "project",
    change,
    id,
    request: "req-of-keystone",
    sentAs: requestId ?? null,
    user: requestId === undefined ? "admin" : "keymesh",
  };
}
