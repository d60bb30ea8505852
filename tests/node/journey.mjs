// What a Slack app in JavaScript does first, with Slack's own libraries and nothing set but the address.
// Prints one JSON line for each step; the test that started it reads them.
import bolt from '@slack/bolt';
import { WebClient } from '@slack/web-api';

const { SLACK_API_URL, SLACK_BOT_TOKEN, SLACK_APP_TOKEN } = process.env;
const say = (step, found) => console.log(JSON.stringify({ step, ...found }));

const client = new WebClient(SLACK_BOT_TOKEN, { slackApiUrl: SLACK_API_URL });
say('auth', { team: (await client.auth.test()).team });
const names = async (listing) => (await listing).channels.map((channel) => channel.name);
say('channels', { names: await names(client.conversations.list({ types: 'public_channel,private_channel' })) });
say('mine', { names: await names(client.users.conversations()) });
const people = [];
for await (const page of client.paginate('users.list', { limit: 2 })) {
  people.push(...page.members.map((member) => member.profile.display_name));
}
say('people', { names: people.sort() });
say('team', { name: (await client.team.info()).team.name });

const channel = (await client.conversations.list()).channels.find(({ name }) => name === 'kyc-requests').id;
const { ts } = await client.chat.postMessage({ channel, text: 'first' });
await client.chat.update({ channel, ts, text: 'second' });
await client.filesUploadV2({ channel_id: channel, thread_ts: ts, filename: 'note.txt', content: 'a note' });
const thread = await client.conversations.replies({ channel, ts });
say('thread', { texts: thread.messages.map(({ text }) => text), files: thread.messages.map(({ files }) => files?.[0].name) });

const app = new bolt.App({
  token: SLACK_BOT_TOKEN,
  appToken: SLACK_APP_TOKEN,
  socketMode: true,
  logLevel: bolt.LogLevel.ERROR,
  clientOptions: { slackApiUrl: SLACK_API_URL },
});
app.command('/kyc', async ({ command, ack }) => ack(`heard ${command.text}`));
app.action('press', async ({ ack, respond }) => {
  await ack();
  await respond({ text: 'pressed', replace_original: true });
});
await app.start();
const button = { type: 'button', action_id: 'press', text: { type: 'plain_text', text: 'Press' } };
const asked = await client.chat.postMessage({ channel, text: 'Press', blocks: [{ type: 'actions', elements: [button] }] });
say('listening', { channel, ts: asked.ts });

process.stdin.once('data', async () => {
  await app.stop();
  process.exit(0);
});
