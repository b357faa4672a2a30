// People hold a stream each, follow one room, and send messages on it: every message is acknowledged, and
// every event of the room arrives at everybody, in the order of its number and without a gap.
import grpc from 'k6/net/grpc';
import { setInterval, clearInterval, setTimeout } from 'k6/timers';
import {
  api,
  as,
  connect,
  failures,
  failuresMax,
  number,
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

// One person's part: what was sent and is not answered, and how far the room has come.
class Conversation {
  constructor(stream, room) {
    this.stream = stream;
    this.room = room;
    this.last = undefined;
    this.sent = 0;
    this.unanswered = new Map();
    this.unheard = new Map();
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
    const now = Date.now();
    this.unanswered.set(requestId, now);
    this.unheard.set(clientMessageId, now);
    const body = `message ${this.sent}`;
    this.stream.write({ requestId, sendMessage: { room: this.room, clientMessageId, body } });
  }

  answer(reply) {
    const sent = this.unanswered.get(Number(reply.requestId));
    this.unanswered.delete(Number(reply.requestId));
    failures.add(sent === undefined || reply.sendMessage === undefined);
    if (sent !== undefined) {
      acknowledged.add(Date.now() - sent);
    }
  }

  hear(event) {
    const seq = Number(event.seq);
    // Before the marker the room has come as far as the first event says.
    failures.add(this.last !== undefined && seq !== this.last + 1);
    this.last = seq;
    const sent = event.message && this.unheard.get(event.message.clientMessageId);
    if (sent !== undefined) {
      this.unheard.delete(event.message.clientMessageId);
      heard.add(Date.now() - sent);
    }
  }

  end() {
    if (this.over) {
      return;
    }
    this.over = true;
    clearInterval(this.timer);
    const missing = this.unanswered.size + this.unheard.size + messages - Math.min(this.sent, messages);
    for (let count = 0; count < missing; count += 1) {
      failures.add(true);
    }
    this.stream.end();
  }
}
