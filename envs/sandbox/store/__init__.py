"""Snapshots on disk: layers of files, the nodes that stand on them, and what keeps both small and sound.

    ids       Ids: owners inside a sandbox and outside of it
    trees     Tree, entry_of, listing: reading a file tree that is not trusted
    changes   changes_of, merged, digest_of: what an overlay's upper folder changed
    copying   copy_tree: an upper folder becomes a layer
    locks     Locks: who uses what, over processes, freed by kill -9
    layers    LayerStore: layers/ID/{tree,changes.json,manifest.json}
    flatten   merge_layers: several layers as one
    snapshots SnapshotStore: key -> Snapshot, built once
    evict     which snapshots go when the store is full
    overview  what lies in it, for people
    durable   bringing things to the disk in one step

Owns: what lies in the store's folder, in which order it is written, and when it may go. Does not own: mounts, processes
and namespaces (the backends), or what a key means (`envs.base.states`).
"""
