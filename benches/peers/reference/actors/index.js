// A stand-in for `@hamicek/noex`, which npm's registry does not have: what the store calls of it, and nothing
// else. A server handles one message after the other, each in a turn of its own of the microtask queue, as there; it has no time limit
// for calls, no restarts and no statistics. So it does less for a call than the real one, and its figures are on the safe side.

let servers = 0;

class Server {
  constructor(behavior, state) {
    this.behavior = behavior;
    this.state = state;
    this.messages = [];
    this.busy = false;
    this.running = true;
    this.id = `server-${++servers}`;
  }

  send(message) {
    if (!this.running) throw new Error(`${this.id} is not running`);
    this.messages.push(message);
    if (!this.busy) void this.work();
  }

  async work() {
    this.busy = true;
    let message;
    while ((message = this.messages.shift()) !== undefined) {
      try {
        if (message.resolve === undefined) {
          this.state = await this.behavior.handleCast(message.value, this.state);
        } else {
          const [reply, state] = await this.behavior.handleCall(message.value, this.state);
          this.state = state;
          message.resolve(reply);
        }
      } catch (error) {
        message.reject?.(error);
      }
    }
    this.busy = false;
  }
}

export const GenServer = {
  async start(behavior) {
    return new Server(behavior, await behavior.init());
  },
  call(server, value) {
    return new Promise((resolve, reject) => server.send({ value, resolve, reject }));
  },
  cast(server, value) {
    server.send({ value });
  },
  isRunning(server) {
    return server.running;
  },
  async stop(server) {
    server.running = false;
  },
};

/** Whether a topic matches: `*` is one segment, or all that follow where it stands last. */
function matches(pattern, topic) {
  if (pattern === topic) return true;
  const [parts, segments] = [pattern.split('.'), topic.split('.')];
  if (parts.length > segments.length) return false;
  if (parts.length < segments.length && parts.at(-1) !== '*') return false;
  return parts.every((part, at) => part === '*' || part === segments[at]);
}

const bus = {
  init: () => new Set(),
  handleCall(message, subscriptions) {
    if (message.add !== undefined) subscriptions.add(message.add);
    if (message.remove !== undefined) subscriptions.delete(message.remove);
    return [subscriptions.size, subscriptions];
  },
  handleCast({ topic, message }, subscriptions) {
    for (const { pattern, handler } of subscriptions) {
      if (!matches(pattern, topic)) continue;
      try {
        handler(message, topic);
      } catch {
        // One handler's mistake is not the others'.
      }
    }
    return subscriptions;
  },
};

export const EventBus = {
  start: () => GenServer.start(bus),
  async subscribe(server, pattern, handler) {
    const subscription = { pattern, handler };
    await GenServer.call(server, { add: subscription });
    return () => GenServer.call(server, { remove: subscription });
  },
  publish(server, topic, message) {
    GenServer.cast(server, { topic, message });
  },
  getSubscriptionCount: (server) => GenServer.call(server, {}),
  stop: (server) => GenServer.stop(server),
};

export const Supervisor = {
  start: async () => new Map(),
  async startChild(children, { id, start }) {
    const child = await start();
    children.set(id, child);
    return child;
  },
  async terminateChild(children, id) {
    await GenServer.stop(children.get(id));
    children.delete(id);
  },
  async stop(children) {
    for (const child of children.values()) await GenServer.stop(child);
    children.clear();
  },
};
