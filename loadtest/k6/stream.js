// People hold a stream each, follow one room, and send messages on it: every message is acknowledged, and
// every event of the room arrives at everybody, in the order of its number and without a gap.
import grpc from 'k6/net/grpc';
import { setInterval, clearInterval, setTimeout } from 'k6/timers';
import {
  api,
  as,
  brokenMax,
  connect,
  failures,
  failuresMax,
  number,
  promised,
  self,
  slowestMax,
  times,
  town,
  uuid,
} from './lib/rookery.js';

const acknowledged = times('acknowledged_ms');
const heard = times('heard_ms');
const client = api();
const people = number('ROOKERY_PEOPLE', 10, 40);
const messages = number('ROOKERY_MESSAGES', 15, 120);

// Milliseconds between two messages of one person.
const pause = 400;

// Milliseconds after the last message: what is not there by then is missing.
const patience = 3000;

export const options = {
  insecureSkipTLSVerify: true,
  scenarios: {
    people: { executor: 'per-vu-iterations', vus: people, iterations: 1, maxDuration: '30m' },
  },
  thresholds: {
    failures: [failuresMax],
    broken: [brokenMax],
    acknowledged_ms: [slowestMax],
    heard_ms: [slowestMax],
  },
};

export function setup() {
  return town(client, people);
}

export default function talk({ room, people: everybody }) {
  const person = self(everybody);
  connect(client);
  const stream = new grpc.Stream(client, 'rookery.v1.Sessions/Connect', {
    metadata: as(person).metadata,
  });
  const conversation = new Conversation(stream, room);
  stream.on('data', (frame) => frame.items.forEach((item) => conversation.take(item)));
  stream.on('error', (error) => {
    // Ending the stream ourselves is no failure.
    if (!conversation.over) {
      console.error(`stream: ${error.code} ${error.message}`);
      failures.add(true);
      conversation.end();
    }
  });
  stream.on('end', () => client.close());
  stream.write({ requestId: 1, hello: { followRooms: [{ room, fromHead: true }] } });
}

// One person's part: what was sent, what became of it, and how far the room has come.
class Conversation {
  constructor(stream, room) {
    this.stream = stream;
    this.room = room;
    this.last = undefined;
    this.sent = 0;
    this.byRequest = new Map();
    this.byId = new Map();
    this.timer = undefined;
    this.over = false;
  }

  take(item) {
    if (item.live) {
      this.last = Number(item.live.seq);
      this.begin();
    } else if (item.event) {
      this.hear(item.event);
    } else if (item.reply && Number(item.reply.requestId) > 1) {
      this.answer(item.reply);
    } else if (item.farewell) {
      failures.add(true);
      this.end();
    }
  }

  begin() {
    if (this.timer === undefined) {
      // Not all at the same moment.
      setTimeout(() => {
        this.timer = setInterval(() => this.say(), pause);
      }, Math.random() * pause);
    }
  }

  say() {
    if (this.sent === messages) {
      clearInterval(this.timer);
      setTimeout(() => this.end(), patience);
      this.sent += 1;
    }
    if (this.sent >= messages) {
      return;
    }
    this.sent += 1;
    const requestId = this.sent + 1;
    const clientMessageId = uuid();
    const message = { at: Date.now(), answered: false, acknowledged: undefined, heard: undefined };
    this.byRequest.set(requestId, message);
    this.byId.set(clientMessageId, message);
    const body = `message ${this.sent}`;
    this.stream.write({ requestId, sendMessage: { room: this.room, clientMessageId, body } });
  }

  answer(reply) {
    const message = this.byRequest.get(Number(reply.requestId));
    promised(message && !message.answered, `a reply to ${reply.requestId} that nobody waits for`);
    if (!message) {
      return;
    }
    message.answered = true;
    failures.add(!reply.sendMessage);
    if (reply.sendMessage) {
      acknowledged.add(Date.now() - message.at);
      message.acknowledged = Number(reply.sendMessage.seq);
      this.compare(message);
    }
  }

  hear(event) {
    const seq = Number(event.seq);
    // Before the marker the room has come as far as the first event says.
    const next = this.last === undefined ? seq : this.last + 1;
    promised(seq === next, `event ${seq} came where ${next} was next`);
    this.last = seq;
    const message = event.message && this.byId.get(event.message.clientMessageId);
    if (message) {
      promised(message.heard === undefined, `message ${seq} came as ${message.heard} before`);
      heard.add(Date.now() - message.at);
      message.heard = seq;
      this.compare(message);
    }
  }

  // Whoever is told where a message stands finds it there.
  compare({ acknowledged: told, heard: found }) {
    if (told !== undefined && found !== undefined) {
      promised(told === found, `message ${told} came as ${found}`);
    }
  }

  end() {
    if (this.over) {
      return;
    }
    this.over = true;
    clearInterval(this.timer);
    for (const message of this.byRequest.values()) {
      if (!message.answered) {
        failures.add(true);
      }
      if (message.acknowledged !== undefined) {
        promised(message.heard !== undefined, `message ${message.acknowledged} never came`);
      }
    }
    for (let unsent = this.byRequest.size; unsent < messages; unsent += 1) {
      failures.add(true);
    }
    this.stream.end();
  }
}
