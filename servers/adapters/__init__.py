"""Routes in others' names and shapes, one small file each.

Owns: translation to our own routes. Does not own: any behaviour.
"""
