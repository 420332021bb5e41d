import assert from 'node:assert/strict'
import { test } from 'node:test'
import { client, clientToken, runApp } from './running-app.ts'

interface TokenAnswer {
  readonly access_token: string
  readonly refresh_token: string
}

test('access tokens and refresh tokens outlive a restart, and are nothing to another instance', async (t) => {
  const settings = { clientTokens: [await clientToken()] }
  const first = await runApp(t, { settings })
  const login = await first.get('/acr/oauth2/token?account=line-1&offline_token=true&scope=registry:catalog:*')
  const { access_token, refresh_token } = JSON.parse(login.text) as TokenAnswer
  const refresh = async (port: number) => {
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token, scope: 'registry:catalog:*' })
    return (await fetch(`http://127.0.0.1:${port}/acr/oauth2/token`, { method: 'POST', body })).status
  }
  const { dataVolume } = first
  await first.stop()

  const restarted = await runApp(t, { settings, dataVolume })
  const other = await runApp(t, { settings })

  assert.equal((await restarted.get('/v2/_catalog', `Bearer ${access_token}`)).status, 200)
  assert.equal(await refresh(restarted.port), 200)
  assert.equal((await other.get('/v2/_catalog', `Bearer ${access_token}`)).status, 401)
  assert.equal(await refresh(other.port), 401)
  assert.ok(!restarted.lines.concat(first.lines).some(({ text }) => text.includes(refresh_token)))
  assert.ok(!first.lines.some(({ text }) => text.includes(client.password)))
})
