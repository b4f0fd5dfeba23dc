// Tells the cloud's own broker what keymesh did, on the exchange on which Keystone tells of its changes and in the same
// envelope (oslo's second): services that clean up after a deleted project, or watch for a new one, need nothing new.
// Best effort: it waits in memory while the broker is away, bounded, and the oldest give way. The audit's file has them all.
import { type ChannelModel, type ConfirmChannel, connect } from "amqplib";
import {
  AUDIT_BROKER_RETRY_MAX_MS,
  AUDIT_BROKER_RETRY_MIN_MS,
  AUDIT_BROKER_TIMEOUT_MS,
  AUDIT_BROKER_WAITING_MAX,
} from "../core/limits.ts";
import type { Log } from "../core/log.ts";
import type { UnixMs } from "../core/stamp.ts";
import { brokerUrl, brokerWords, hangUp } from "./broker.ts";

/** What names who tells it: `identity.HOST` is Keystone, this is a node. Its own consumer passes such events over. */
export const PUBLISHER_PREFIX = "keymesh.";
const BATCH = 100; // Messages that wait for one confirmation.

/** One event: `id` is a UUID, the same if it is sent again. */
export type BrokerEvent = {
  readonly id: string;
  readonly type: string;
  readonly payload: object;
  readonly atMs: UnixMs;
};
export type EventPublisherOptions = {
  /** amqp:// or amqps://, or rabbit:// as Keystone's transport_url spells it. Holds a password: never logged. */
  readonly url: string;
  readonly exchange: string;
  /** oslo's topic; the routing key is this and `.info`. */
  readonly topic: string;
  /** Whether Keystone declares its exchange as durable. */
  readonly durable: boolean;
  /** PEM text of the authority that signed the broker's certificate. */
  readonly ca?: string;
  /** This node's cloud. */
  readonly name: string;
  readonly log: Log;
  random(): number;
  after(ms: number, act: () => void): () => void;
};
export type PublisherState = { readonly waiting: number; readonly lost: number; readonly why: string | null };

export class EventPublisher {
  readonly #options: EventPublisherOptions;
  readonly #waiting: BrokerEvent[] = [];
  #lost = 0;
  #why: string | null = null;
  #isStopped = false;
  #running: Promise<void> = Promise.resolve();
  /** Ends what is waited for: an event to come, a pause, a broker that is silent. */
  #wake: () => void = () => undefined;

  constructor(options: EventPublisherOptions) {
    this.#options = options;
  }

  get state(): PublisherState {
    return { waiting: this.#waiting.length, lost: this.#lost, why: this.#why };
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Sends what waits if the broker is there, for AUDIT_BROKER_TIMEOUT_MS at most, and ends the connection. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wake();
    await this.#running;
  }

  /** Never waits. */
  publish(event: BrokerEvent): void {
    this.#waiting.push(event);
    if (this.#waiting.length > AUDIT_BROKER_WAITING_MAX) {
      this.#waiting.shift();
      this.#lost += 1;
    }
    this.#wake();
  }

  async #run(): Promise<void> {
    const { log, random } = this.#options;
    for (let failures = 0; ; ) {
      while (this.#waiting.length === 0 && !this.#isStopped) await this.#woken();
      if (this.#waiting.length === 0) return;
      const sent = await this.#session();
      if (this.#isStopped) return;
      failures = sent ? 0 : failures + 1;
      if (this.#why === null) continue;
      if (failures <= 1) log.warn({ why: this.#why }, "the broker can't be told of what happens: trying again");
      const waitMs = Math.min(AUDIT_BROKER_RETRY_MIN_MS * 2 ** Math.min(failures, 10), AUDIT_BROKER_RETRY_MAX_MS);
      await this.#pause(waitMs * (0.5 + random() / 2));
    }
  }

  /** One connection, for as long as it lasts. True if anything was sent. */
  async #session(): Promise<boolean> {
    let model: ChannelModel | undefined;
    let sent = false;
    try {
      model = await this.#connect();
      const broken = Promise.withResolvers<never>();
      broken.promise.catch(() => undefined); // It is waited for beside each batch.
      model.on("error", broken.reject);
      model.on("close", () => broken.reject(new Error("the connection was closed")));
      const channel = await this.#open(model, broken.reject);
      if (this.#why !== null) this.#options.log.info({ waiting: this.#waiting.length }, "the broker is told again");
      this.#why = null;
      while (true) {
        while (this.#waiting.length === 0 && !this.#isStopped) await Promise.race([this.#woken(), broken.promise]);
        if (this.#waiting.length === 0) return true;
        const batch = this.#waiting.slice(0, BATCH);
        for (const event of batch) this.#send(channel, event);
        const silence = this.#silence();
        await Promise.race([channel.waitForConfirms(), broken.promise, silence.promise]).finally(silence.cancel);
        this.#forget(batch);
        sent = true;
      }
    } catch (error) {
      this.#why = this.#words(error);
      return sent;
    } finally {
      await hangUp(model);
    }
  }

  async #connect(): Promise<ChannelModel> {
    const { url, ca } = this.#options;
    return connect(brokerUrl(url).href, {
      noDelay: true,
      timeout: AUDIT_BROKER_TIMEOUT_MS,
      clientProperties: { connection_name: "keymesh audit" },
      ...(ca === undefined ? {} : { ca }),
    });
  }

  /** The exchange is taken as it is, and made as Keystone makes it where nobody has yet. */
  async #open(model: ChannelModel, fail: (error: Error) => void): Promise<ConfirmChannel> {
    const { exchange, durable } = this.#options;
    const isThere = await hasExchange(model, exchange);
    const channel = await model.createConfirmChannel();
    channel.on("error", fail);
    if (!isThere) await channel.assertExchange(exchange, "topic", { durable, autoDelete: false });
    return channel;
  }

  #send(channel: ConfirmChannel, { id, type, payload, atMs }: BrokerEvent): void {
    const { exchange, topic, name } = this.#options;
    const message = {
      message_id: id,
      _unique_id: id.replaceAll("-", ""), // By which oslo's consumers leave out what comes twice.
      publisher_id: `${PUBLISHER_PREFIX}${name}`,
      event_type: type,
      priority: "INFO",
      payload,
      timestamp: new Date(atMs).toISOString().replace("T", " ").replace("Z", "000"),
    };
    const body = { "oslo.version": "2.0", "oslo.message": JSON.stringify(message) };
    channel.publish(exchange, `${topic}.info`, Buffer.from(JSON.stringify(body)), {
      contentType: "application/json",
      contentEncoding: "utf-8",
      deliveryMode: 2,
      messageId: id,
    });
  }

  /** Some may have given way to newer ones meanwhile. */
  #forget(batch: readonly BrokerEvent[]): void {
    const done = new Set(batch);
    while (this.#waiting[0] !== undefined && done.has(this.#waiting[0])) this.#waiting.shift();
  }

  /** Until an event comes, a pause is over, or the node stops. */
  async #woken(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** New events end no pause: only a stop does. */
  async #pause(ms: number): Promise<void> {
    let isOver = false;
    const cancel = this.#options.after(ms, () => {
      isOver = true;
      this.#wake();
    });
    while (!isOver && !this.#isStopped) await this.#woken();
    cancel();
  }

  #silence(): { promise: Promise<never>; cancel(): void } {
    const { promise, reject } = Promise.withResolvers<never>();
    const fail = () => reject(new Error("the broker confirms nothing"));
    return { promise, cancel: this.#options.after(AUDIT_BROKER_TIMEOUT_MS, fail) };
  }

  /** Never with the password in it. */
  #words(error: unknown): string {
    return brokerWords(this.#options.url, error);
  }
}

async function hasExchange(model: ChannelModel, exchange: string): Promise<boolean> {
  const channel = await model.createChannel();
  channel.on("error", () => undefined); // What was refused is thrown below, too.
  try {
    await channel.checkExchange(exchange);
    await channel.close();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === 404) return false;
    throw error;
  }
}
