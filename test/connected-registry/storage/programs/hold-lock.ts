import { lockStore } from '../../../../modules/connected-registry/src/storage/store-lock.ts'

await lockStore(process.argv[2] ?? '')
console.log('locked')
process.stdin.resume()
setInterval(() => undefined, 60_000)
