import { createNetwork } from './network.ts'

// Makes a network, says where, and holds it until it is killed, or nobody is there any more.

const network = await createNetwork([
  { name: 'upper', host: 'upper.plant.example' },
  { name: 'lower', host: 'lower.plant.example', above: 'upper', ports: [8000] }
])
process.send?.(['upper', 'lower', 'link-lower'].map(network.namespace))
process.once('disconnect', () => process.exit())
