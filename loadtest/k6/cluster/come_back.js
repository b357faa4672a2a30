// People behind a load balancer whose nodes come and go: those who hold a stream come back to another node
// and read on where they were, those who call try once more. Nobody loses a message, sees one twice, or has
// to try a third time.
//
// ROOKERY_GOES_ON  an address that answers 200 for as long as the load is to last
//
// Besides it, what ../lib/rookery.js reads. How long anything takes only shows that nothing hangs: a machine
// may have other things to do.
import grpc from 'k6/net/grpc';
import http from 'k6/http';
import { sleep } from 'k6';
import { Counter } from 'k6/metrics';
import { setTimeout } from 'k6/timers';
import {
  api,
  as,
  brokenMax,
  call,
  connect,
  failures,
  number,
  promised,
  self,
  times,
  town,
  uuid,
} from '../lib/rookery.js';

const onStreams = number('ROOKERY_STREAMS', 9, 30);
const byCalls = number('ROOKERY_CALLERS', 3, 10);
const client = api('../../../proto');

const acknowledged = times('acknowledged_ms');
const cameBack = new Counter('came_back');

// A message is sent, and if that fails once more.
const triesMax = 2;

// Milliseconds between two messages of one person, and before something is tried again. Short, so that some
// are under way whenever a node dies.
const pause = 50;

// Milliseconds after the last message: what is not there by then is missing.
const patience = 20000;

// Messages between two looks whether the load goes on.
const lookEvery = 20;

export const options = {
  insecureSkipTLSVerify: true,
  scenarios: {
    streams: { ...everybodyOnce(onStreams), exec: 'holdStream' },
    callers: { ...everybodyOnce(byCalls), exec: 'makeCalls' },
  },
  thresholds: {
    failures: ['rate<=0'],
    broken: [brokenMax],
    acknowledged_ms: ['max<=20000'],
    // Of each node that went somebody came back: of one that was killed, of one that said so.
    'came_back{after:break}': ['count>=1'],
    'came_back{after:farewell}': ['count>=1'],
  },
};

function everybodyOnce(vus) {
  return { executor: 'per-vu-iterations', vus, iterations: 1, maxDuration: '10m' };
}

export function setup() {
  return town(client, onStreams + byCalls);
}

function goesOn() {
  return http.get(__ENV.ROOKERY_GOES_ON).status === 200;
}

// --- By calls ---

export function makeCalls({ room, people }) {
  const person = self(people);
  const seqs = new Map();
  const found = new Set();
  connect(client);
  for (let count = 1; count % lookEvery !== 0 || goesOn(); count += 1) {
    const message = { room, clientMessageId: uuid(), body: `call ${count} of ${person.userName}` };
    const seq = sent(message, person);
    if (seq !== undefined) {
      seqs.set(message.clientMessageId, seq);
    }
    sleep(pause / 1000);
  }
  for (const event of log(room, person)) {
    const id = event.message && event.message.clientMessageId;
    if (seqs.has(id)) {
      promised(seqs.get(id) === event.seq, `message ${seqs.get(id)} lies at ${event.seq}`);
      promised(!found.has(id), `message ${event.seq} was there before`);
      found.add(id);
    }
  }
  promised(found.size === seqs.size, `${seqs.size - found.size} messages are not in the log`);
  client.close();
}

// Where the message stands, or nothing if it failed for good.
function sent(message, person) {
  const began = Date.now();
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const answer = client.invoke('rookery.v1.Messages/SendMessage', message, as(person));
    if (answer.status === grpc.StatusOK) {
      acknowledged.add(Date.now() - began);
      failures.add(false);
      return answer.message.seq;
    }
    console.warn(`try ${tries}: ${answer.status} ${JSON.stringify(answer.error)}`);
    sleep(pause / 1000);
  }
  failures.add(true);
  return undefined;
}

// All events of the room.
function* log(room, person) {
  let pageToken = '';
  do {
    const request = { parent: room, pageSize: 1000, pageToken, direction: 'DIRECTION_FORWARD' };
    const page = call(client, 'Messages/ListEvents', request, as(person));
    if (!page) {
      return;
    }
    yield* page.events;
    pageToken = page.nextPageToken;
  } while (pageToken);
}

// --- On a stream ---

export function holdStream({ room, people }) {
  new Conversation(room, self(people)).open();
}

// One person's part: what was sent and is not answered, what was answered and is not heard, and how far the
// room has come. It outlives its streams.
class Conversation {
  constructor(room, person) {
    this.room = room;
    this.person = person;
    this.stream = undefined;
    // Whether what was missed has come, so that messages may go out.
    this.live = false;
    this.over = false;
    this.last = undefined;
    this.comeBackAfter = pause;
    // What ends the stream, if it does.
    this.endsBy = 'break';
    this.requests = 1;
    this.byRequest = new Map();
    this.byId = new Map();
    this.unanswered = new Set();
    this.unheard = new Set();
    this.ticks = 0;
  }

  open() {
    try {
      connect(client);
    } catch (error) {
      console.warn(`cannot connect: ${error}`);
      setTimeout(() => this.open(), pause);
      return;
    }
    this.stream = new grpc.Stream(client, 'rookery.v1.Sessions/Connect', {
      metadata: as(this.person).metadata,
    });
    this.stream.on('data', (frame) => frame.items.forEach((item) => this.take(item)));
    // It ends as well.
    this.stream.on('error', (error) => console.warn(`stream: ${error.code} ${error.message}`));
    this.stream.on('end', () => this.ended());
    const follow = this.last === undefined ? { fromHead: true } : { afterSeq: this.last };
    this.stream.write({ requestId: 1, hello: { followRooms: [{ room: this.room, ...follow }] } });
  }

  ended() {
    client.close();
    this.live = false;
    if (!this.over) {
      cameBack.add(1, { after: this.endsBy });
      setTimeout(() => this.open(), this.comeBackAfter);
      this.comeBackAfter = pause;
      this.endsBy = 'break';
    }
  }

  take(item) {
    if (item.live) {
      promised(!item.live.rebuilt, 'the log is another one');
      this.last = Number(item.live.seq);
      this.live = true;
      this.unanswered.forEach((message) => this.try(message));
      if (this.ticks === 0) {
        this.tick();
      }
    } else if (item.event) {
      this.hear(item.event);
    } else if (item.reply && Number(item.reply.requestId) > 1) {
      this.answer(item.reply);
    } else if (item.farewell) {
      this.live = false;
      this.endsBy = 'farewell';
      this.comeBackAfter = (item.farewell.retryAfterMs || pause) * (1 + Math.random());
    }
  }

  tick() {
    this.ticks += 1;
    if (this.ticks % lookEvery === 0 && !goesOn()) {
      this.finish(Date.now() + patience);
      return;
    }
    if (this.live) {
      this.say();
    }
    setTimeout(() => this.tick(), pause);
  }

  say() {
    const message = { id: uuid(), at: Date.now(), tries: 0, on: undefined, heard: false };
    this.byId.set(message.id, message);
    this.unanswered.add(message);
    this.try(message);
  }

  try(message) {
    if (message.tries === triesMax) {
      this.unanswered.delete(message);
      failures.add(true);
      return;
    }
    message.tries += 1;
    message.on = this.stream;
    this.requests += 1;
    this.byRequest.set(this.requests, message);
    const body = `message ${message.id} of ${this.person.userName}`;
    const sendMessage = { room: this.room, clientMessageId: message.id, body };
    this.stream.write({ requestId: this.requests, sendMessage });
  }

  answer(reply) {
    const message = this.byRequest.get(Number(reply.requestId));
    promised(message, `a reply to ${reply.requestId} that nobody waits for`);
    this.byRequest.delete(Number(reply.requestId));
    if (!message || !this.unanswered.has(message)) {
      return;
    }
    if (reply.sendMessage) {
      acknowledged.add(Date.now() - message.at);
      failures.add(false);
      this.unanswered.delete(message);
      if (!message.heard) {
        this.unheard.add(message);
      }
      this.stands(message, Number(reply.sendMessage.seq));
      return;
    }
    console.warn(`try ${message.tries}: ${reply.error.code} ${reply.error.message}`);
    message.on = undefined;
    setTimeout(() => {
      // Unless a new stream has tried it meanwhile, or is about to.
      if (message.on === undefined && this.live) {
        this.try(message);
      }
    }, pause);
  }

  hear(event) {
    const seq = Number(event.seq);
    // Before the first marker the room has come as far as the first event says.
    const next = this.last === undefined ? seq : this.last + 1;
    promised(seq === next, `event ${seq} came where ${next} was next`);
    this.last = seq;
    const message = event.message && this.byId.get(event.message.clientMessageId);
    if (message) {
      promised(!message.heard, `message ${seq} came before`);
      message.heard = true;
      this.unheard.delete(message);
      this.stands(message, seq);
    }
  }

  // Whoever is told where a message stands finds it there.
  stands(message, seq) {
    promised(message.seq === undefined || message.seq === seq, `message ${message.seq} stands at ${seq}`);
    message.seq = seq;
  }

  // Waits for what is still to come, and counts what does not.
  finish(by) {
    const waiting = this.unanswered.size + this.unheard.size;
    if ((waiting > 0 || !this.live) && Date.now() < by) {
      setTimeout(() => this.finish(by), pause);
      return;
    }
    promised(this.live, 'a stream did not come back');
    this.unanswered.forEach(() => failures.add(true));
    this.unheard.forEach((message) => promised(false, `message ${message.seq} never came`));
    this.over = true;
    this.stream.end();
  }
}
