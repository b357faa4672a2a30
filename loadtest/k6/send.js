// People send messages to one room by unary calls, as bots and scripts do: each is durable when the call
// returns, and the same message sent again is the same message.
import { sleep } from 'k6';
import {
  api,
  as,
  brokenMax,
  call,
  connect,
  duration,
  failuresMax,
  number,
  promised,
  self,
  slowestMax,
  times,
  town,
  uuid,
} from './lib/rookery.js';

const sends = times('send_ms');
const client = api();
const people = number('ROOKERY_PEOPLE', 10, 40);

// Seconds between two messages of one person.
const pause = 0.2;

// One message in so many is sent twice.
const againOneIn = 10;

export const options = {
  insecureSkipTLSVerify: true,
  scenarios: { people: { executor: 'constant-vus', vus: people, duration: duration() } },
  thresholds: { failures: [failuresMax], broken: [brokenMax], send_ms: [slowestMax] },
};

export function setup() {
  return town(client, people);
}

export default function send({ room, people: everybody }) {
  const person = self(everybody);
  if (__ITER === 0) {
    connect(client);
    // Not all at the same moment.
    sleep(Math.random() * pause);
  }
  const message = { room, clientMessageId: uuid(), body: `message ${__ITER} of ${person.userName}` };
  const sent = call(client, 'Messages/SendMessage', message, as(person), sends);
  if (sent && __ITER % againOneIn === 0) {
    const again = call(client, 'Messages/SendMessage', message, as(person), sends);
    promised(!again || again.seq === sent.seq, `sent again, ${sent.seq} became ${again?.seq}`);
  }
  sleep(pause);
}
