// OpenAI's JavaScript client against a running server (OLMOE_BASE_URL, such as
// http://127.0.0.1:8000). Works with any model: it checks the shapes, types and
// laws of the API, never a particular text.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const base = process.env.OLMOE_BASE_URL;
if (!base) {
  console.error('set OLMOE_BASE_URL to the server, for example http://127.0.0.1:8000');
  process.exit(2);
}
const client = new OpenAI({ baseURL: `${base}/v1`, apiKey: process.env.OLMOE_API_KEY ?? 'none', maxRetries: 0, timeout: 120_000 });
const model = (await client.models.list()).data[0].id;
const prompt = 'The capital of France is';
const messages = [{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'Say hello.' }];

const checks = [];
const check = (name, run) => checks.push({ name, run });

async function collect(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return chunks;
}
const textOf = (chunks, index = 0) => chunks.flatMap((c) => c.choices).filter((c) => c.index === index)
  .map((c) => c.text ?? c.delta?.content ?? '').join('');
const finishOf = (chunks, index = 0) => chunks.flatMap((c) => c.choices).filter((c) => c.index === index)
  .map((c) => c.finish_reason).filter(Boolean);

// rejects checks the class and status of an error, and that it names the field.
async function rejects(promise, kind, status, param) {
  const err = await promise.then(() => assert.fail('no error'), (e) => e);
  assert(err instanceof kind, `${err?.constructor?.name} instead of ${kind.name}: ${err}`);
  assert.equal(err.status, status);
  if (param !== undefined) assert.equal(err.param, param);
  assert(err.message.length > 10 && err.type, err.message);
}

// hasChat: a base model's checkpoint has no chat template, which is a clear 400.
let hasChat = true;
try {
  await client.chat.completions.create({ model, messages, max_tokens: 1 });
} catch (e) {
  if (!(e instanceof OpenAI.BadRequestError) || !/chat template/.test(e.message)) throw e;
  hasChat = false;
}
const chatCheck = (name, run) => check(name, hasChat ? run : async () => rejects(
  client.chat.completions.create({ model, messages }), OpenAI.BadRequestError, 400, 'messages'));

check('models: list, with pages', async () => {
  const ids = [];
  for await (const m of client.models.list()) ids.push(m.id);
  assert.deepEqual(ids, [model]);
});
check('models: retrieve', async () => {
  const m = await client.models.retrieve(model);
  assert.equal(m.id, model);
  assert.equal(m.object, 'model');
  assert(m.created > 0 && m.owned_by);
});
check('models: unknown', () => rejects(client.models.retrieve('no-such-model'), OpenAI.NotFoundError, 404));

check('completion: shape and defaults', async () => {
  const r = await client.completions.create({ model, prompt });
  assert.equal(r.object, 'text_completion');
  assert.match(r.id, /^cmpl-/);
  assert.equal(r.model, model);
  assert.equal(r.choices.length, 1);
  assert.equal(typeof r.choices[0].text, 'string');
  assert(['stop', 'length'].includes(r.choices[0].finish_reason));
  assert(r.usage.prompt_tokens > 0 && r.usage.completion_tokens <= 16);
  assert.equal(r.usage.total_tokens, r.usage.prompt_tokens + r.usage.completion_tokens);
});
check('completion: four forms of prompt', async () => {
  const options = { model, max_tokens: 3, temperature: 0, return_token_ids: true };
  const text = await client.completions.create({ ...options, prompt });
  const ids = text.choices[0].prompt_token_ids;
  const forms = [[prompt, prompt], ids, [ids, ids]];
  for (const p of forms) {
    const r = await client.completions.create({ ...options, prompt: p });
    for (const c of r.choices) assert.equal(c.text, text.choices[0].text);
    assert.equal(r.choices.length, p === ids ? 1 : 2);
    assert.equal(r.usage.prompt_tokens, ids.length * r.choices.length);
  }
});
check('completion: streaming equals not streaming', async () => {
  const options = { model, prompt, max_tokens: 12, seed: 7, n: 2 };
  const whole = await client.completions.create(options);
  const chunks = await collect(await client.completions.create({ ...options, stream: true }));
  for (const c of whole.choices) {
    assert.equal(textOf(chunks, c.index), c.text);
    assert.deepEqual(finishOf(chunks, c.index), [c.finish_reason]);
  }
});
check('completion: streaming with usage', async () => {
  const chunks = await collect(await client.completions.create(
    { model, prompt, max_tokens: 4, ignore_eos: true, stream: true, stream_options: { include_usage: true } }));
  const last = chunks.at(-1);
  assert.equal(last.choices.length, 0);
  assert.equal(last.usage.completion_tokens, 4);
  for (const c of chunks.slice(0, -1)) assert.equal(c.usage, null);
});
check('completion: logprobs', async () => {
  const r = await client.completions.create({ model, prompt, max_tokens: 5, ignore_eos: true, logprobs: 3, temperature: 0 });
  const lp = r.choices[0].logprobs;
  for (const list of [lp.tokens, lp.token_logprobs, lp.top_logprobs, lp.text_offset]) assert.equal(list.length, 5);
  lp.token_logprobs.forEach((p, i) => {
    assert(p <= 0);
    assert.equal(p, Math.max(...Object.values(lp.top_logprobs[i]))); // greedy: the most likely
    assert(Object.keys(lp.top_logprobs[i]).length >= 3);
  });
});
check('completion: echo with logprobs', async () => {
  const r = await client.completions.create({ model, prompt, max_tokens: 0, echo: true, logprobs: 1 });
  const c = r.choices[0];
  assert.equal(c.text, prompt);
  assert.equal(c.logprobs.token_logprobs[0], null);
  assert(c.logprobs.token_logprobs.slice(1).every((p) => p <= 0));
  assert.equal(c.logprobs.tokens.length, r.usage.prompt_tokens);
  assert.deepEqual(c.logprobs.text_offset, c.logprobs.text_offset.toSorted((a, b) => a - b));
});
check('completion: n and seed', async () => {
  const options = { model, prompt, max_tokens: 16, seed: 42, temperature: 1 };
  const a = await client.completions.create({ ...options, n: 3 });
  const b = await client.completions.create({ ...options, n: 3 });
  const one = await client.completions.create(options);
  assert.deepEqual(a.choices.map((c) => c.text), b.choices.map((c) => c.text));
  assert.equal(one.choices[0].text, a.choices[0].text);
  assert(new Set(a.choices.map((c) => c.text)).size > 1, 'all choices are equal');
  assert.deepEqual(a.choices.map((c) => c.index), [0, 1, 2]);
});
check('completion: stop string', async () => {
  const options = { model, prompt, max_tokens: 24, ignore_eos: true, seed: 11 };
  const whole = (await client.completions.create(options)).choices[0].text;
  const stop = [...whole].slice(3, 6).join(''); // whole characters; may begin and end inside tokens
  const cut = (await client.completions.create({ ...options, stop: [stop, 'no such text'] })).choices[0];
  assert.equal(cut.text, whole.slice(0, whole.indexOf(stop)));
  assert.equal(cut.finish_reason, 'stop');
  assert.equal(cut.stop_reason, stop);
  const chunks = await collect(await client.completions.create({ ...options, stop, stream: true }));
  assert.equal(textOf(chunks), cut.text);
});
check('completion: logit_bias forces and bans', async () => {
  const first = await client.completions.create({ model, prompt, max_tokens: 1, temperature: 0, return_token_ids: true, ignore_eos: true });
  const id = first.choices[0].token_ids[0];
  const banned = await client.completions.create({ model, prompt, max_tokens: 1, temperature: 0, return_token_ids: true, ignore_eos: true, logit_bias: { [id]: -100 } });
  assert.notEqual(banned.choices[0].token_ids[0], id);
  const forced = await client.completions.create({ model, prompt, max_tokens: 3, return_token_ids: true, ignore_eos: true, logit_bias: { [id]: 100 } });
  assert.deepEqual(forced.choices[0].token_ids, [id, id, id]);
});
check('completion: abort in mid-stream, and the server goes on', async () => {
  const stream = await client.completions.create({ model, prompt, max_tokens: 200, ignore_eos: true, stream: true });
  let seen = 0;
  for await (const _ of stream) if (++seen === 2) break; // leaves the loop: the client aborts
  assert.equal(stream.controller.signal.aborted, true);
  const controller = new AbortController();
  const hanging = client.completions.create({ model, prompt, max_tokens: 200, ignore_eos: true }, { signal: controller.signal });
  setTimeout(() => controller.abort(), 20);
  await assert.rejects(hanging, OpenAI.APIUserAbortError);
  await client.completions.create({ model, prompt, max_tokens: 1 });
});
check('request id', async () => {
  const { request_id } = await client.completions.create({ model, prompt, max_tokens: 1 }, { headers: { 'x-request-id': 'conformance-1' } }).withResponse();
  assert.equal(request_id, 'conformance-1');
});

chatCheck('chat: shape', async () => {
  const r = await client.chat.completions.create({ model, messages, max_completion_tokens: 8, ignore_eos: true });
  assert.equal(r.object, 'chat.completion');
  assert.match(r.id, /^chatcmpl-/);
  assert.equal(r.choices[0].message.role, 'assistant');
  assert.equal(typeof r.choices[0].message.content, 'string');
  assert.equal(r.choices[0].finish_reason, 'length');
  assert.equal(r.usage.completion_tokens, 8);
  assert.equal(typeof r.usage.prompt_tokens_details.cached_tokens, 'number');
});
chatCheck('chat: text parts and the developer role', async () => {
  const options = { model, max_tokens: 6, temperature: 0 };
  const plain = await client.chat.completions.create({ ...options, messages });
  const parts = await client.chat.completions.create({ ...options, messages: [
    { role: 'developer', content: [{ type: 'text', text: 'Be brief.' }] }, { role: 'user', content: [{ type: 'text', text: 'Say hello.' }] }] });
  assert.equal(parts.choices[0].message.content, plain.choices[0].message.content);
  assert.equal(parts.usage.prompt_tokens, plain.usage.prompt_tokens);
});
chatCheck('chat: streaming, with the stream helper', async () => {
  const options = { model, messages, max_tokens: 10, seed: 3 };
  const whole = await client.chat.completions.create(options);
  const chunks = await collect(await client.chat.completions.create({ ...options, stream: true, stream_options: { include_usage: true } }));
  assert.equal(chunks[0].choices[0].delta.role, 'assistant');
  assert.equal(textOf(chunks), whole.choices[0].message.content);
  assert.equal(chunks.at(-1).usage.total_tokens, whole.usage.total_tokens);
  const final = await client.chat.completions.stream(options).finalChatCompletion();
  assert.equal(final.choices[0].message.content, whole.choices[0].message.content);
});
chatCheck('chat: logprobs', async () => {
  const r = await client.chat.completions.create({ model, messages, max_tokens: 4, ignore_eos: true, temperature: 0, logprobs: true, top_logprobs: 2 });
  const content = r.choices[0].logprobs.content;
  assert.equal(content.length, 4);
  for (const t of content) {
    assert(t.logprob <= 0 && t.top_logprobs.length === 2 && Array.isArray(t.bytes));
    assert.equal(t.top_logprobs[0].logprob, t.logprob);
  }
  const bytes = Buffer.from(content.flatMap((t) => t.bytes));
  assert.equal(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes), r.choices[0].message.content);
});
chatCheck('chat: n', async () => {
  const r = await client.chat.completions.create({ model, messages, max_tokens: 4, n: 2 });
  assert.deepEqual(r.choices.map((c) => c.index), [0, 1]);
});

check('errors: bad fields', async () => {
  const bad = (fields, param) => rejects(client.completions.create({ model, prompt, ...fields }), OpenAI.BadRequestError, 400, param);
  await bad({ temperature: 3 }, 'temperature');
  await bad({ max_tokens: -1 }, 'max_tokens');
  await bad({ n: 100000 }, 'n');
  await bad({ logprobs: 100 }, 'logprobs');
  await bad({ prompt: [99999999] }, 'prompt');
  await bad({ prompt: '' }, 'prompt');
  await bad({ suffix: 'x' }, 'suffix');
  await bad({ no_such_field: 1 }, 'no_such_field');
  await bad({ max_tokens: 10_000_000 }, 'max_tokens');
  await bad({ temperature: 3, stream: true }, 'temperature');
});
check('errors: unknown model', () => rejects(client.completions.create({ model: 'no-such-model', prompt }), OpenAI.NotFoundError, 404, 'model'));
check('errors: unknown route', () => rejects(client.embeddings.create({ model, input: 'x' }), OpenAI.NotFoundError, 404));

let failed = 0;
for (const { name, run } of checks) {
  try {
    await run();
    console.log(`ok    ${name}`);
  } catch (e) {
    failed++;
    console.log(`FAIL  ${name}\n${e.stack ?? e}`);
  }
}
console.log(`${checks.length - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
